// Checkpoints written by some ranks and read by others: the same rows, no more bytes than needed, and every
// kind of damage and lie is named.
#include "shared/store/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint_writer.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t long_rows = 700'001;  // 2.7 MB: three digest blocks in one slice
const CheckpointTensor long_tensor{"values", ElementType::float32, {long_rows}};
const CheckpointTensor log_tensor{"log", ElementType::float64, {7, 3}};
const CheckpointTensor small_tensor{"small", ElementType::float64, {2}};  // fewer rows than ranks
const CheckpointTensor empty_tensor{"empty", ElementType::float32, {0, 4}};

uint64_t part(uint64_t rows, uint64_t rank, uint64_t ranks) { return rows * rank / ranks; }

/// The whole tensor's bytes: a function of its name and the step, made once (the long one takes a while under
/// a sanitizer).
const std::string& content(const CheckpointTensor& tensor, uint64_t step) {
  static std::map<std::pair<std::string, uint64_t>, std::string> made;
  std::string& bytes = made[{tensor.name, step}];
  if (!bytes.empty()) return bytes;
  CounterRng rng(step, tensor.name);
  bytes.resize(tensor.rows() * tensor.row_bytes());
  for (size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    const auto word = static_cast<uint32_t>(rng.uniform() * 4294967296.0);
    std::memcpy(&bytes[at], &word, 4);
  }
  return bytes;
}

CheckpointSlice slice_of(const CheckpointTensor& tensor, uint64_t step, uint64_t first, uint64_t last) {
  const uint64_t row = tensor.row_bytes();
  return {tensor, first, last, content(tensor, step).substr(first * row, (last - first) * row)};
}

class CheckpointTest : public testing::Test {
 protected:
  void write_part(uint64_t step, uint64_t rank, uint64_t ranks,
                  const std::vector<CheckpointTensor>& tensors) {
    std::vector<CheckpointSlice> slices;
    for (const CheckpointTensor& tensor : tensors) {
      slices.push_back(
          slice_of(tensor, step, part(tensor.rows(), rank, ranks), part(tensor.rows(), rank + 1, ranks)));
    }
    CheckpointWriter writer(folder_, "task", rank, ranks);
    writer.start(step, std::move(slices));
    writer.wait();
  }

  void write(uint64_t step, uint64_t ranks, const std::vector<CheckpointTensor>& tensors = {log_tensor}) {
    for (uint64_t rank = 0; rank < ranks; ++rank) write_part(step, rank, ranks, tensors);
    complete_checkpoint(folder_, step, ranks, "task");
  }

  std::string rows(CheckpointReader& reader, const CheckpointTensor& tensor, uint64_t first, uint64_t last) {
    std::string bytes((last - first) * tensor.row_bytes(), '\0');
    reader.read_rows(tensor.name, first, last, bytes);
    return bytes;
  }

  std::string path(uint64_t step) const { return checkpoint_path(folder_, step); }

  /// The error from opening it and reading everything.
  std::string fault(uint64_t step) {
    try {
      CheckpointReader reader(folder_, step, "task");
      rows(reader, log_tensor, 0, log_tensor.rows());
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  static void change(const std::string& file, const std::function<void(std::string&)>& edit) {
    std::string bytes = read_file(file);
    edit(bytes);
    std::ofstream(file, std::ios::binary) << bytes;
  }

  /// Changes a rank's manifest and makes COMPLETE confirm it, as a liar would.
  void lie(uint64_t step, uint64_t rank, uint64_t ranks, const std::function<void(json&)>& tell) {
    change(manifest_path(path(step), rank, ranks), [&](std::string& text) {
      json manifest = json::parse(text);
      tell(manifest);
      text = manifest.dump();
    });
    Completion completion{"task", step, {}};
    for (uint64_t r = 0; r < ranks; ++r) {
      completion.manifests.push_back(sha256_file(manifest_path(path(step), r, ranks)));
    }
    change(path(step) + "/COMPLETE", [&](std::string& text) { text = encode_completion(completion); });
  }

  TemporaryDirectory directory_;
  std::string folder_ = directory_.path() + "/checkpoint";
};

TEST_F(CheckpointTest, WhatAnyNumberOfRanksWroteAnyNumberReads) {
  for (uint64_t writers : {1, 2, 3, 4}) {
    write(writers, writers, {long_tensor, log_tensor, small_tensor, empty_tensor});
    for (uint64_t readers : {1, 2, 3, 4}) {
      for (const CheckpointTensor& tensor : {long_tensor, log_tensor, small_tensor, empty_tensor}) {
        std::string all;
        for (uint64_t rank = 0; rank < readers; ++rank) {
          CheckpointReader reader(folder_, writers, "task");
          EXPECT_EQ(reader.ranks(), writers);
          EXPECT_EQ(reader.tensor(tensor.name), tensor);
          all += rows(reader, tensor, part(tensor.rows(), rank, readers),
                      part(tensor.rows(), rank + 1, readers));
        }
        EXPECT_TRUE(all == content(tensor, writers)) << tensor.name << ": " << writers << " to " << readers;
      }
    }
  }
}

TEST_F(CheckpointTest, ReadsOnlyTheBlocksOfItsRows) {
  write(5, 1, {log_tensor, long_tensor});
  const uint64_t rows_of_block = digest_block / 4;
  struct Case {
    uint64_t first, last, bytes;
  };
  for (const Case& c :
       {Case{0, 1, digest_block}, Case{rows_of_block - 1, rows_of_block + 1, 2 * digest_block},
        Case{rows_of_block, 2 * rows_of_block, digest_block}, Case{9, 9, 0},
        Case{long_rows - 1, long_rows, long_rows * 4 - 2 * digest_block},
        Case{0, long_rows, long_rows * 4}}) {
    CheckpointReader reader(folder_, 5, "task");
    EXPECT_TRUE(rows(reader, long_tensor, c.first, c.last) ==
                content(long_tensor, 5).substr(c.first * 4, (c.last - c.first) * 4));
    EXPECT_EQ(reader.bytes_read(), c.bytes) << c.first << " to " << c.last;
  }
  // Four ranks' files hold a quarter each: a rank that reads the last quarter opens no other data file.
  write(6, 4, {long_tensor});
  CheckpointReader reader(folder_, 6, "task");
  const uint64_t first = part(long_rows, 3, 4);
  rows(reader, long_tensor, first, long_rows);
  EXPECT_EQ(reader.bytes_read(), (long_rows - first) * 4);
}

TEST_F(CheckpointTest, SlicesBeginAtMultiplesOf64Bytes) {
  write(5, 3, {small_tensor, log_tensor, long_tensor});
  for (uint64_t rank = 0; rank < 3; ++rank) {
    const std::string file = manifest_path(path(5), rank, 3);
    const Manifest manifest = parse_manifest(read_file(file), file);
    for (const SlicePlace& slice : manifest.slices) {
      EXPECT_EQ(slice.offset % 64, 0u);
      const std::string data = read_file(data_path(path(5), rank, 3)).substr(slice.offset, slice.bytes);
      EXPECT_TRUE(data == slice_of(slice.tensor, 5, slice.first, slice.last).bytes);
    }
  }
}

TEST_F(CheckpointTest, EveryDamageIsNamed) {
  using std::filesystem::remove;
  using std::filesystem::resize_file;
  const auto cut = [](const std::string& file) { resize_file(file, std::filesystem::file_size(file) - 1); };
  const std::string data = data_path(path(5), 1, 2), manifest = manifest_path(path(5), 1, 2),
                    complete = path(5) + "/COMPLETE";
  struct Damage {
    std::function<void()> make;
    std::string file, why;
  };
  const std::vector<Damage> damages = {
      {[&] { remove(complete); }, complete, "was not written to its end"},
      {[&] { cut(complete); }, complete, "SHA-256"},
      {[&] { resize_file(complete, 0); }, complete, "SHA-256"},
      {[&] { remove(manifest); }, manifest, "No such file"},
      {[&] { cut(manifest); }, manifest, "SHA-256"},
      {[&] { resize_file(manifest, 0); }, manifest, "SHA-256"},
      {[&] { remove(data); }, data, "No such file"},
      {[&] { cut(data); }, data, "its manifest says"},
      {[&] { change(data, [](std::string& bytes) { bytes += '\0'; }); }, data, "its manifest says"},
      {[&] { std::filesystem::rename(path(5), path(6)), std::filesystem::create_symlink(path(6), path(5)); },
       "", ""},
  };
  for (const Damage& damage : damages) {
    std::filesystem::remove_all(folder_);
    write(5, 2);
    EXPECT_EQ(fault(5), "");
    damage.make();
    if (damage.why.empty()) {  // a renamed folder is not the checkpoint that its name says
      EXPECT_THAT(fault(6), HasSubstr("it is of step 5; its folder is of step 6"));
      continue;
    }
    EXPECT_THAT(fault(5), AllOf(HasSubstr(damage.file), HasSubstr(damage.why)));
  }
}

TEST_F(CheckpointTest, EveryFlippedByteIsSeen) {
  write(5, 2);
  for (uint64_t rank : {0, 1}) {
    const std::string file = data_path(path(5), rank, 2), good = read_file(file);
    ASSERT_EQ(good.size(), part(7, rank + 1, 2) * 24 - part(7, rank, 2) * 24);
    for (size_t place = 0; place < good.size(); ++place) {
      change(file, [&](std::string& bytes) { bytes[place] = static_cast<char>(bytes[place] ^ 0x10); });
      EXPECT_THAT(fault(5), AllOf(HasSubstr(file), HasSubstr("tensor 'log' do not match their SHA-256")));
      change(file, [&](std::string& bytes) { bytes = good; });
    }
  }
  for (const std::string& file : {manifest_path(path(5), 0, 2), path(5) + "/COMPLETE"}) {
    const std::string good = read_file(file);
    for (size_t place = 0; place < good.size(); ++place) {
      change(file, [&](std::string& bytes) { bytes[place] = static_cast<char>(bytes[place] ^ 1); });
      EXPECT_THAT(fault(5), HasSubstr(file)) << place;
      change(file, [&](std::string& bytes) { bytes = good; });
    }
  }
  EXPECT_EQ(fault(5), "");
}

TEST_F(CheckpointTest, DamageElsewhereDoesNotConcernAReader) {
  write(5, 1, {long_tensor});
  change(data_path(path(5), 0, 1), [](std::string& bytes) { bytes[2 * digest_block] ^= 1; });
  CheckpointReader reader(folder_, 5, "task");
  EXPECT_TRUE(rows(reader, long_tensor, 0, 1000) == content(long_tensor, 5).substr(0, 4000));
  EXPECT_THROW(rows(reader, long_tensor, 0, long_rows), DataError);
}

TEST_F(CheckpointTest, ManifestsThatDoNotFitTogetherAreRefused) {
  struct Lie {
    const char* what;
    std::function<void(json&)> tell;  // about rank 1 of 2, which has rows [3, 7) of 7
    const char* why;
  };
  const std::vector<Lie> lies = {
      {"a gap",
       [](json& j) {
         j["slices"][0]["rows"] = {4, 7};
         j["slices"][0]["bytes"] = 72;
       },
       "its manifest says 72"},
      {"rows there twice",
       [](json& j) {
         j["slices"][0]["rows"] = {2, 6};
       },
       "appear twice"},
      {"rows missing at the end",
       [](json& j) {
         j["slices"][0]["shape"] = {8, 3};
       },
       "another type or shape"},
      {"rows missing between", [](json& j) { j["slices"][0]["name"] = "other"; }, "are missing"},
      {"a type of the same size",
       [](json& j) {
         j["slices"][0]["type"] = "float32", j["slices"][0]["shape"] = {7, 6};
       },
       "another type or shape"},
      {"another step", [](json& j) { j["step"] = 6; }, "it says step 6"},
      {"another rank", [](json& j) { j["rank"] = 0; }, "rank 0 of 2; its name says"},
      {"more ranks", [](json& j) { j["ranks"] = 3; }, "rank 1 of 3; its name says"},
      {"no slice", [](json& j) { j["slices"] = json::array(); }, "its manifest says 0"},
  };
  write(5, 2);
  const std::string good = read_file(manifest_path(path(5), 1, 2));
  for (const Lie& told : lies) {
    lie(5, 1, 2, told.tell);
    EXPECT_THAT(fault(5), HasSubstr(told.why)) << told.what;
    change(manifest_path(path(5), 1, 2), [&](std::string& bytes) { bytes = good; });
  }
  lie(5, 1, 2, [](json&) {});
  EXPECT_EQ(fault(5), "");
}

TEST_F(CheckpointTest, RowsThatNobodyWroteAreMissed) {
  CheckpointWriter writer(folder_, "task", 0, 1);
  auto start = [&](uint64_t first, uint64_t last) {
    writer.start(5, {slice_of(log_tensor, 5, first, last)});
    writer.wait();
  };
  start(0, 6);
  EXPECT_THROW(complete_checkpoint(folder_, 5, 1, "task"), DataError);
  start(1, 7);
  EXPECT_THROW(complete_checkpoint(folder_, 5, 1, "task"), DataError);
  start(3, 3);
  EXPECT_THROW(complete_checkpoint(folder_, 5, 1, "task"), DataError);
  EXPECT_THAT(fault(5), HasSubstr("was not written to its end"));
  start(0, 7);
  complete_checkpoint(folder_, 5, 1, "task");
  EXPECT_EQ(fault(5), "");
}

TEST_F(CheckpointTest, ATensorThatIsNotThereIsNamed) {
  write(5, 1);
  CheckpointReader reader(folder_, 5, "task");
  EXPECT_THROW(reader.tensor("moments"), DataError);
  EXPECT_THROW(rows(reader, log_tensor, 3, 8), InternalError);
}

TEST_F(CheckpointTest, AnotherTasksCheckpointIsRefused) {
  write(5, 1);
  try {
    CheckpointReader reader(folder_, 5, "another task");
    FAIL() << "it was taken";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("of task task, not of another task"), HasSubstr(path(5)),
                                    testing::Not(HasSubstr("\n"))));
  }
}

TEST_F(CheckpointTest, IsNotCompletedWithoutEveryRanksPart) {
  write_part(5, 0, 2, {log_tensor});
  EXPECT_THROW(complete_checkpoint(folder_, 5, 2, "task"), DataError);
  EXPECT_THAT(fault(5), HasSubstr("was not written to its end"));
}

TEST_F(CheckpointTest, TheLastTwoCompleteOnesAreKept) {
  write(10, 1);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(10));
  write(20, 1);
  write_part(25, 0, 2, {log_tensor});  // never completed
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(25, 20, 10));
  write(30, 2);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(30, 20));
  write_part(40, 0, 1, {log_tensor});
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(40, 30, 20)) << "an unfinished one removes nothing";
  EXPECT_EQ(fault(30) + fault(20), "");
}

TEST_F(CheckpointTest, OthersInTheFolderAreNotTakenForCheckpoints) {
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre());
  write(10, 1);
  for (const char* name : {"step-", "step-7", "step-000000007", "step-0000000x", "other", "step--0000001"}) {
    make_directories(folder_ + "/" + name);
  }
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(10));
}

TEST_F(CheckpointTest, LaterOnesAreRemoved) {
  write(10, 1);
  write(20, 1);
  write_part(30, 0, 2, {log_tensor});
  remove_checkpoints_after(folder_, 10);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(10));
  remove_checkpoints_after(folder_, 0);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre());
  EXPECT_NO_THROW(remove_checkpoints_after(directory_.path() + "/absent", 0));
}

}  // namespace
}  // namespace apportion
