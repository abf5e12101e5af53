// Parts of a split model: they are one model whichever is given, and errors name those that do not fit.
#include "shared/model_files/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using ::testing::AllOf;
using testing::DatasetFolder;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Parts with two small tensors each, "t0" and so on; tests change their keys.
struct Parts {
  explicit Parts(uint32_t count = 3)
      : writers(count), numbers(count), counts(count, count), sums(count, 2 * count) {
    writers[0].text("general.name", "toy");
    for (uint32_t part = 0; part < count; ++part) {
      numbers[part] = part;
      for (uint32_t tensor = 2 * part; tensor < 2 * part + 2; ++tensor)
        writers[part].tensor("t" + std::to_string(tensor), TensorType::f32, {2},
                             std::string(8, static_cast<char>('0' + tensor)));
    }
  }

  /// Returns their paths.
  std::vector<std::string> write(const DatasetFolder& folder) {
    std::vector<std::string> paths;
    for (size_t part = 0; part < writers.size(); ++part) {
      GgufWriter writer = writers[part];
      writer.unsigned_integer("split.no", numbers[part]).unsigned_integer("split.count", counts[part]);
      writer.unsigned_integer("split.tensors.count", sums[part]);
      paths.push_back(folder.write(
          "toy-0000" + std::to_string(part + 1) + "-of-0000" + std::to_string(writers.size()) + ".gguf",
          writer.bytes()));
    }
    return paths;
  }

  std::vector<GgufWriter> writers;
  std::vector<uint32_t> numbers, counts, sums;
};

/// The error when given the last of three parts, or the first, after a change to the parts.
std::string complaint(const std::function<void(Parts&)>& change) {
  DatasetFolder folder;
  Parts parts;
  change(parts);
  const std::vector<std::string> paths = parts.write(folder);
  const std::string first = error_of([&] { Gguf gguf(paths.front()); });
  EXPECT_EQ(first.find('\n'), std::string::npos) << first;
  return first;
}

TEST(Gguf, AnyPartOpensAllOfThem) {
  DatasetFolder folder;
  std::string digest;
  const std::vector<std::string> paths = Parts().write(folder);
  for (const std::string& path : paths) {
    const Gguf gguf(path);
    EXPECT_EQ(gguf.path(), paths.front());
    EXPECT_EQ(gguf.text("general.name"), "toy");
    ASSERT_EQ(gguf.files().size(), 3U);
    ASSERT_EQ(gguf.tensors().size(), 6U);
    for (int tensor = 0; tensor < 6; ++tensor) {
      const GgufTensor& found = gguf.tensor("t" + std::to_string(tensor));
      EXPECT_EQ(found.bytes, std::string(8, static_cast<char>('0' + tensor)));
      EXPECT_EQ(found.path, paths[static_cast<size_t>(tensor / 2)]);
    }
    EXPECT_THAT(error_of([&] { gguf.tensor("t6"); }),
                HasSubstr("there is no tensor t6 in any of the 3 parts"));
    if (digest.empty()) digest = gguf.digest();
    EXPECT_EQ(gguf.digest(), digest);
  }
}

TEST(Gguf, ADigestIsOfAllParts) {
  DatasetFolder folder;
  Parts parts;
  const std::string path = parts.write(folder).front();
  const std::string before = Gguf(path).digest();
  parts.writers[2] = GgufWriter()
                         .tensor("t4", TensorType::f32, {2}, "44444444")
                         .tensor("t5", TensorType::f32, {2}, "55555556");
  parts.write(folder);
  EXPECT_NE(Gguf(path).digest(), before);
}

TEST(Gguf, AWholeFilesDigestIsThatOfItsBytes) {
  DatasetFolder folder;
  const auto digests = [&](const std::string& name, const GgufWriter& writer) {
    const std::string path = folder.write(name, writer.bytes());
    EXPECT_EQ(Gguf(path).digest(), sha256_file(path)) << name;
  };
  digests("whole.gguf", GgufWriter().text("general.name", "toy"));
  // A single part is the whole, whatever it is called.
  digests("one.gguf", GgufWriter().unsigned_integer("split.count", 1));
  digests("one-00001-of-00001.gguf",
          GgufWriter().unsigned_integer("split.count", 1).unsigned_integer("split.no", 0));
}

TEST(Gguf, NamesThePartsThatAreMissing) {
  DatasetFolder folder;
  const std::vector<std::string> paths = Parts().write(folder);
  std::filesystem::remove(paths[1]);
  EXPECT_THAT(error_of([&] { Gguf gguf(paths[0]); }),
              AllOf(StartsWith(paths[0] + ", byte "),
                    HasSubstr("of the model's 3 parts (split.count), missing: " + paths[1] + "; put")));
  std::filesystem::remove(paths[0]);
  EXPECT_THAT(error_of([&] { Gguf gguf(paths[2]); }),
              HasSubstr("missing: " + paths[0] + ", and 1 more; put"));
}

TEST(Gguf, FindsPartsByTheirNamesAlone) {
  DatasetFolder folder;
  const std::vector<std::string> paths = Parts().write(folder);
  const std::string other = folder.path_of("other.gguf");
  std::filesystem::rename(paths[1], other);
  EXPECT_THAT(
      error_of([&] { Gguf gguf(other); }),
      AllOf(StartsWith(other + ", byte "), HasSubstr("the file is part 2 of 3 (split.no, split.count)"),
            HasSubstr("-00002-of-00003.gguf")));
  std::filesystem::rename(paths[2], paths[1]);
  std::filesystem::rename(other, paths[2]);
  EXPECT_THAT(
      error_of([&] { Gguf gguf(paths[0]); }),
      AllOf(StartsWith(paths[1] + ", byte "), HasSubstr("split.no is 2"), HasSubstr("part 2, which has 1")));
}

TEST(Gguf, PartsOfTwoModelsAreNone) {
  EXPECT_THAT(complaint([](Parts& parts) { parts.counts[1] = 4; }),
              AllOf(HasSubstr("toy-00002-of-00003.gguf, byte "), HasSubstr("split.count is 4, and 3 in /"),
                    HasSubstr("toy-00001-of-00003.gguf")));
  EXPECT_THAT(
      complaint([](Parts& parts) { parts.sums[2] = 7; }),
      AllOf(HasSubstr("toy-00003-of-00003.gguf, byte "), HasSubstr("split.tensors.count is 7, and 6 in /")));
  EXPECT_THAT(complaint([](Parts& parts) {
                parts.sums = {7, 7, 7};
              }),
              HasSubstr("split.tensors.count is 7, but the 3 parts have 6 tensors together"));
  EXPECT_THAT(complaint([](Parts& parts) { parts.writers[1].text("general.name", "another"); }),
              AllOf(HasSubstr("toy-00002-of-00003.gguf, byte "), HasSubstr("metadata key general.name")));
  EXPECT_EQ(complaint([](Parts& parts) { parts.writers[1].text("general.name", "toy"); }), "no error");
  EXPECT_THAT(
      complaint([](Parts& parts) { parts.writers[2].number("llama.logit_scale", 0.5); }),
      AllOf(HasSubstr("toy-00003-of-00003.gguf, byte "), HasSubstr("metadata key llama.logit_scale")));
  EXPECT_THAT(
      complaint([](Parts& parts) { parts.writers[2].tensor("t1", TensorType::f32, {1}, "1234"); }),
      AllOf(HasSubstr("toy-00003-of-00003.gguf, byte "), HasSubstr("tensor t1 appears twice, also in /"),
            HasSubstr("toy-00001-of-00003.gguf, byte ")));
}

TEST(Gguf, KeysOfPartsAreWholeNumbersThatCanBe) {
  DatasetFolder folder;
  const auto said = [&](const GgufWriter& writer) {
    const std::string path = folder.write("a-00001-of-00002.gguf", writer.bytes());
    return error_of([&] { Gguf gguf(path); });
  };
  EXPECT_THAT(said(GgufWriter().text("split.count", "2")), HasSubstr("split.count is not an integer"));
  EXPECT_THAT(said(GgufWriter().unsigned_integer("split.count", 70000)),
              HasSubstr("split.count is 70000; up to"));
  EXPECT_THAT(said(GgufWriter().unsigned_integer("split.count", 2)), HasSubstr("no metadata key split.no"));
  EXPECT_THAT(said(GgufWriter().unsigned_integer("split.count", 2).unsigned_integer("split.no", 2)),
              HasSubstr("split.no is 2, and by split.count there are 2 parts; 0 to 1 is expected"));
}

TEST(Gguf, AllPartsAreAlignedAlike) {
  DatasetFolder folder;
  const auto write = [&](uint32_t part, GgufWriter writer) {
    writer.unsigned_integer("split.no", part).unsigned_integer("split.count", 2);
    writer.unsigned_integer("split.tensors.count", 2);
    writer.tensor("t" + std::to_string(part), TensorType::f32, {1}, "abc" + std::to_string(part));
    return folder.write("a-0000" + std::to_string(part + 1) + "-of-00002.gguf", writer.bytes());
  };
  const std::string first = write(0, GgufWriter().alignment(64)),
                    second = write(1, GgufWriter().alignment(64));
  EXPECT_EQ(Gguf(first).tensor("t1").bytes, "abc1");
  write(1, GgufWriter());
  EXPECT_THAT(error_of([&] { Gguf gguf(first); }),
              AllOf(StartsWith(second + ", byte "),
                    HasSubstr("aligned to 32 (general.alignment), and to 64 in " + first)));
}

TEST(Gguf, RowsAreReadFromThePartThatHasThem) {
  DatasetFolder folder;
  TinyModel model;
  model.tied_embedding = false;
  const std::string whole = folder.write("whole.gguf", tiny_gguf(model));
  std::vector<std::string> paths;
  for (const std::string& bytes : tiny_gguf_parts(model, 5))
    paths.push_back(folder.write("m-0000" + std::to_string(paths.size() + 1) + "-of-00005.gguf", bytes));
  const Gguf one(whole), parts(paths[3]);
  EXPECT_EQ(parts.tensors().size(), one.tensors().size());
  const ModelShape shape = shape_of(parts);
  const auto expected = gguf_tensors(one, shape_of(one)), found = gguf_tensors(parts, shape);
  for (const auto& [name, sizes] : found->tensors()) {
    const auto count = static_cast<size_t>(sizes[0] * (sizes.size() > 1 ? sizes[1] : 1));
    std::vector<float> theirs(count), ours(count);
    expected->read_rows(name, 0, sizes[0], theirs.data());
    found->read_rows(name, 0, sizes[0], ours.data());
    EXPECT_EQ(ours, theirs) << name;
  }
}

TEST(Gguf, APartThatIsCutWhileItIsReadIsNamed) {
  DatasetFolder folder;
  std::vector<std::string> paths;
  for (const std::string& bytes : tiny_gguf_parts({}, 3))
    paths.push_back(folder.write("m-0000" + std::to_string(paths.size() + 1) + "-of-00003.gguf", bytes));
  const Gguf gguf(paths[0]);
  const auto reader = gguf_tensors(gguf, shape_of(gguf));
  std::vector<float> row(64);
  std::set<std::string> named;
  for (const auto& [tensor, sizes] : reader->tensors()) {
    const std::string& name = tensor;
    if (sizes.size() < 2 || sizes[1] != 64) continue;
    reader->read_rows(name, 0, 1, row.data());
    size_t complaints = 0;
    for (const std::string& path : paths) {
      // Cuts only its last byte, so that the rest can still be read.
      std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
      const std::string said = error_of([&] { reader->read_rows(name, 0, 1, row.data()); });
      std::filesystem::resize_file(path, std::filesystem::file_size(path) + 1);
      if (said == "no error") continue;
      EXPECT_THAT(said, AllOf(StartsWith(path + ", byte "), HasSubstr("became shorter while it was read")));
      ++complaints;
      named.insert(path);
    }
    EXPECT_EQ(complaints, 1U) << name;
  }
  EXPECT_EQ(named.size(), 3U);
}

}  // namespace
}  // namespace apportion
