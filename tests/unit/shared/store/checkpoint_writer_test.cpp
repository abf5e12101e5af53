// The writing thread: steps continue meanwhile, one thing is written at a time, and the next call reports
// what went wrong.
#include "shared/store/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

CheckpointSlice slice(char fill, uint64_t rows = 4) {
  return {{"t", ElementType::float32, {rows}}, 0, rows, std::string(rows * 4, fill)};
}

class CheckpointWriterTest : public testing::Test {
 protected:
  std::string content(uint64_t step) {
    CheckpointReader reader(folder_, step, "task");
    std::string bytes(reader.tensor("t").rows() * 4, '\0');
    reader.read_rows("t", 0, reader.tensor("t").rows(), bytes);
    return bytes;
  }

  TemporaryDirectory directory_;
  std::string folder_ = directory_.path() + "/tasks/id/checkpoint";
};

TEST_F(CheckpointWriterTest, WritesInItsThreadAndBecomesIdle) {
  CheckpointWriter writer(folder_, "task", 0, 1);
  EXPECT_TRUE(writer.idle());
  writer.start(3, {slice('a')});
  while (!writer.idle()) std::this_thread::yield();
  EXPECT_THROW(content(3), DataError) << "nobody has completed it";
  writer.start_completion(3);
  while (!writer.idle()) std::this_thread::yield();
  EXPECT_EQ(content(3), std::string(16, 'a'));
}

TEST_F(CheckpointWriterTest, ACallWaitsForWhatWasBegunBefore) {
  constexpr uint64_t rows = 1 << 20;  // long enough to be still in flight
  CheckpointWriter writer(folder_, "task", 0, 1);
  for (uint64_t step : {1, 2, 3}) {
    writer.start(step, {slice(static_cast<char>('a' + step), rows)});
    writer.start_completion(step);
  }
  writer.wait();
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(3, 2));
  EXPECT_EQ(content(3), std::string(rows * 4, 'd'));
  EXPECT_EQ(content(2), std::string(rows * 4, 'c'));
}

TEST_F(CheckpointWriterTest, ItsEndWaitsForTheThread) {
  { CheckpointWriter(folder_, "task", 0, 1).start(1, {slice('a', 1 << 20)}); }
  EXPECT_TRUE(std::filesystem::exists(manifest_path(checkpoint_path(folder_, 1), 0, 1)));
}

TEST_F(CheckpointWriterTest, AnErrorIsSaidByTheNextCallAndOnlyThere) {
  make_directories(directory_.path() + "/tasks");
  write_file(directory_.path() + "/tasks/id", "a file where a folder is to be");
  CheckpointWriter writer(folder_, "task", 0, 1);
  const auto named = ThrowsMessage<UserError>(
      AllOf(HasSubstr("the checkpoint " + checkpoint_path(folder_, 3) + " was not written"),
            HasSubstr("Not a directory")));
  writer.start(3, {slice('a')});
  EXPECT_THAT([&] { writer.start(4, {slice('a')}); }, named);
  EXPECT_NO_THROW(writer.wait());
  writer.start(3, {slice('a')});
  EXPECT_THAT([&] { writer.wait(); }, named);
  writer.start(3, {slice('a')});
  EXPECT_THAT(
      [&] {
        while (!writer.idle()) std::this_thread::yield();
      },
      named);
}

TEST_F(CheckpointWriterTest, ASliceWithoutItsBytesIsABug) {
  CheckpointWriter writer(folder_, "task", 0, 1);
  CheckpointSlice wrong = slice('a');
  wrong.bytes.pop_back();
  writer.start(1, {wrong});
  EXPECT_THAT([&] { writer.wait(); }, ThrowsMessage<UserError>(HasSubstr("has the bytes of its rows")));
}

}  // namespace
}  // namespace apportion
