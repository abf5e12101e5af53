// Untrusted safetensors files: what their headers must not say. Files that the worker writes are tested
// there.
#include "shared/model_files/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

class Safetensors : public ::testing::Test {
 protected:
  /// A file with these tensors, described in JSON, and this many bytes of data.
  const std::string& file(const std::string& header, size_t data) {
    const uint64_t size = header.size();
    const std::string length(reinterpret_cast<const char*>(&size), sizeof size);
    write_bytes(path_, length + header + std::string(data, '\0'));
    return path_;
  }

  testing::DatasetFolder folder_;
  std::string path_ = folder_.path_of("model.safetensors");
};

TEST_F(Safetensors, TensorsLieBesideEachOther) {
  const auto tensors = read_safetensors(file(R"({"__metadata__": {"format": "pt"},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "a": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [8, 12]},
    "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [4, 4]}})",
                                             12));
  EXPECT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors.at("a").shape, (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(tensors.at("none").values.empty());
}

/// Thousands of tensors sharing the same bytes would be as large as thousands of files.
TEST_F(Safetensors, TensorsThatOverlapAreRefused) {
  EXPECT_THAT(error_of([&] {
                SafetensorsFile(file(R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                                         "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
                                     8));
              }),
              HasSubstr("byte 8: tensors 'a' and 'b' overlap"));
}

TEST_F(Safetensors, AHeaderThatLiesTooDeepIsRefused) {
  const std::string lists = std::string(50'000, '[') + std::string(50'000, ']');
  EXPECT_THAT(error_of([&] { SafetensorsFile(file(R"({"a": {"dtype": )" + lists + "}}", 0)); }),
              HasSubstr("byte 122: lists and objects are nested more than 100 deep"));
}

}  // namespace
}  // namespace apportion
