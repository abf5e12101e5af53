// A written file comes back through the reader: metadata, tensors and their places.
#include "shared/model_files/gguf_export/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_names.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

std::vector<float> counted(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

std::vector<float> values_of(const GgufTensor& tensor) {
  std::vector<float> values(tensor.elements());
  dequantize(tensor.type, tensor.bytes, values.size(), values.data());
  return values;
}

TEST(GgufFileWriter, WritesWhatTheReaderReads) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("out.gguf");
  GgufMetadata metadata;
  const std::vector<std::string> texts = {"a", "", "ä b"};
  const std::vector<int32_t> integers = {3, -1};
  metadata.text("general.architecture", "other").natural("n", 7).number("x", 0.5).boolean("yes", true);
  GgufFileWriter writer(path, metadata.texts("texts", texts).integers("integers", integers),
                        {{"odd", TensorType::f32, {3}},
                         {"half", TensorType::f16, {3, 5}},
                         {"packed", TensorType::q8_0, {2, 64}},
                         {"last", TensorType::f32, {1}}});
  writer.add(counted(3));
  writer.add(counted(15));
  writer.add(counted(128));
  EXPECT_FALSE(path_exists(path));  // not before it is whole
  writer.add(counted(1));
  writer.finish();

  const Gguf gguf(path);
  EXPECT_EQ(gguf.text("general.architecture"), "other");
  EXPECT_EQ(gguf.integer("n"), 7U);
  EXPECT_EQ(gguf.number("x"), 0.5);
  EXPECT_TRUE(gguf.boolean("yes"));
  EXPECT_EQ(gguf.texts("texts"), texts);
  EXPECT_THAT(gguf.integers("integers"), ElementsAre(3, -1));
  EXPECT_EQ(gguf.tensors().size(), 4U);
  EXPECT_EQ(values_of(gguf.tensor("odd")), counted(3));
  EXPECT_EQ(gguf.tensor("half").shape, (std::vector<uint64_t>{3, 5}));
  EXPECT_EQ(values_of(gguf.tensor("half")), counted(15));
  const GgufTensor& packed = gguf.tensor("packed");
  EXPECT_EQ(packed.type, TensorType::q8_0);
  const std::vector<float> unpacked = values_of(packed);
  for (size_t i = 0; i < unpacked.size(); ++i)
    EXPECT_NEAR(unpacked[i], static_cast<float>(i + 1), 128.0 / 254) << i;
  EXPECT_EQ(values_of(gguf.tensor("last")), counted(1));
}

TEST(GgufFileWriter, TensorsBeginAndTheFileEndsAtMultiplesOf32) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("out.gguf");
  GgufFileWriter writer(path, {}, {{"a", TensorType::f32, {3}}, {"b", TensorType::f16, {1}}});
  writer.add(counted(3));
  writer.add(counted(1));
  writer.finish();
  const std::string bytes = read_file(path);
  EXPECT_EQ(bytes.size() % 32, 0U);
  const std::string_view values = std::string_view(bytes).substr(bytes.size() - 64);
  const std::vector<float> first = counted(3);
  EXPECT_EQ(values.substr(0, 12), std::string_view(reinterpret_cast<const char*>(first.data()), 12));
  EXPECT_EQ(values.substr(12, 20), std::string(20, '\0'));
  EXPECT_EQ(values.substr(32, 2), std::string("\x00\x3C", 2));  // 1 as half-precision float
  EXPECT_EQ(values.substr(34), std::string(30, '\0'));
}

TEST(GgufFileWriter, PairsRowsWithinEachHead) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("out.gguf");
  GgufFileWriter writer(path, {}, {{"q", TensorType::f32, {8, 1}, 4}});
  writer.add(counted(8));
  writer.finish();
  // A head's rows 1 2 | 3 4 alternate.
  EXPECT_THAT(values_of(Gguf(path).tensor("q")), ElementsAre(1, 3, 2, 4, 5, 7, 6, 8));
  EXPECT_EQ(paired_row(2, 4), 1);
  EXPECT_EQ(paired_row(5, 4), 6);
}

TEST(GgufFileWriter, LargeTensorsAreWrittenInParts) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("out.gguf");
  constexpr int64_t rows = 1536, columns = 2048;  // three times as much as is written at once
  const std::vector<float> values = counted(rows * columns);
  GgufFileWriter writer(path, {}, {{"q", TensorType::f32, {rows, columns}, 6}});
  writer.add(values);
  writer.finish();
  const std::vector<float> read = values_of(Gguf(path).tensor("q"));
  for (int64_t row = 0; row < rows; ++row)
    ASSERT_EQ(read[static_cast<size_t>(paired_row(row, 6) * columns)],
              values[static_cast<size_t>(row * columns)]);
}

TEST(GgufFileWriter, LeavesNothingUnfinished) {
  const DatasetFolder folder;
  const std::string path = folder.path_of("out/out.gguf");
  make_directories(folder.path_of("out"));
  {
    GgufFileWriter writer(path, {}, {{"a", TensorType::f16, {3}}, {"b", TensorType::f32, {1}}});
    EXPECT_THROW(writer.add(counted(2)), InternalError);
    EXPECT_THAT(
        [&] {
          writer.add(std::vector<float>{1, 70000, 1});
        },
        ThrowsMessage<UserError>(
            "tensor a has a value that is not a number or too large for F16; --gguf f32 has room for any"));
    EXPECT_THROW(writer.finish(), InternalError);
  }
  EXPECT_THAT(names_in(folder.path_of("out")), IsEmpty());
  EXPECT_THAT([&] { GgufFileWriter(folder.path_of("none/out.gguf"), {}, {}); },
              ThrowsMessage<UserError>(HasSubstr("No such file or directory")));
  const int64_t much = int64_t{1} << 50;
  EXPECT_THAT(
      [&] {
        GgufFileWriter(path, {}, {{"a", TensorType::f32, {much}}});
      },
      ThrowsMessage<UserError>(StartsWith("cannot write ")));
}

}  // namespace
}  // namespace apportion
