// The reference's log-probs, stored and read again: the same bytes come out on any number of ranks, and what
// is damaged, too short or from another model is not used.
#include "worker/train/reference.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <numeric>

#include "shared/base/error.h"
#include "shared/store/checkpoint.h"
#include "tests/support/sample_results.h"
#include "tests/support/worker/stopped_training.h"
#include "worker/parallel/gradients.h"

namespace apportion {
namespace {

using ::testing::AllOf;
using testing::comparable;
using ::testing::HasSubstr;
using testing::run_stage;
using testing::Stage;
using testing::StageRun;
using testing::TinyWorld;
using testing::to_the_end;
using Note = TrainCheckpoint::Note;

constexpr int micro_batches = 4;

class ReferenceTest : public ::testing::Test {
 protected:
  StageRun run(const ReferencePlace* place, Stage stage = Stage::calibrate) {
    auto collectives = make_local_collectives();
    return run_stage(world_, stage, *collectives, {directory_.path() + "/checkpoint", "task", 0}, to_the_end,
                     place);
  }

  /// Changes the last byte of a rank's data.
  void damage(uint64_t stored) const {
    std::fstream stream(data_path(checkpoint_path(place_.folder, stored), 0, 1),
                        std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(-1, std::ios::end);
    const auto byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(-1, std::ios::end);
    stream.put(byte);
  }

  /// Runs `work` on this many ranks, with each rank's store and micro-batches.
  template <typename Work>
  void on_ranks(int ranks, Work work) {
    auto all = make_threads_collectives(ranks, 1, 20);
    std::vector<std::future<void>> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.push_back(std::async(std::launch::async, [&, rank] {
        ReferenceStore store(place_, micro_batches, *all[static_cast<size_t>(rank)],
                             [](Note, const std::string&) {});
        work(store, micro_batches_of(rank, ranks, micro_batches));
      }));
    }
    for (auto& thread : threads) thread.get();
  }

  TemporaryDirectory directory_;
  ReferencePlace place_{directory_.path() + "/reference", "key"};
  TinyWorld world_{at::kBFloat16};
};

/// Values that identify batch and micro-batch; the last micro-batch is empty.
at::Tensor part(int batch, int micro_batch) {
  if (micro_batch == micro_batches - 1) return {};
  return at::arange(3 + micro_batch, at::kFloat) + 100.0 * batch + 10.0 * micro_batch;
}

Reference parts(const std::vector<int>& batches, MicroBatchRange range) {
  Reference reference;
  for (int batch : batches) {
    for (int m = range.first; m < range.last; ++m) reference[batch].push_back(part(batch, m));
    reference[batch];
  }
  return reference;
}

void expect_parts(const Reference& found, const std::vector<int>& batches, MicroBatchRange range) {
  ASSERT_EQ(found.size(), batches.size());
  for (int batch : batches) {
    ASSERT_EQ(found.at(batch).size(), static_cast<size_t>(range.last - range.first));
    for (int m = range.first; m < range.last; ++m) {
      const at::Tensor& one = found.at(batch)[static_cast<size_t>(m - range.first)];
      const at::Tensor wanted = part(batch, m);
      ASSERT_EQ(one.defined(), wanted.defined());
      EXPECT_TRUE(!wanted.defined() || at::equal(one, wanted)) << batch << " " << m;
    }
  }
}

TEST_F(ReferenceTest, AStageThatReadsItGivesTheSameBytes) {
  const StageRun none = run(nullptr), first = run(&place_), second = run(&place_);
  EXPECT_TRUE(first.notes.empty());
  ASSERT_EQ(second.notes.size(), 1u);
  EXPECT_THAT(second.notes[0].second, HasSubstr("are read from " + place_.folder));
  for (const StageRun& other : {first, second}) {
    EXPECT_TRUE(at::equal(other.values, none.values));
    EXPECT_EQ(comparable(other.log), comparable(none.log));
  }
  EXPECT_EQ(second.log.z_unclamped.front(), 0.0);
}

TEST_F(ReferenceTest, StageOneHasNone) {
  run(&place_, Stage::sft);
  EXPECT_TRUE(checkpoint_steps(place_.folder).empty());
}

TEST_F(ReferenceTest, ADamagedOneIsComputedAgain) {
  const StageRun first = run(&place_);
  const uint64_t stored = checkpoint_steps(place_.folder).at(0);
  damage(stored);
  const StageRun second = run(&place_), third = run(&place_);
  ASSERT_EQ(second.notes.size(), 1u);
  EXPECT_EQ(second.notes[0].first, Note::warning);
  EXPECT_THAT(second.notes[0].second, AllOf(HasSubstr("computed again"), HasSubstr("SHA-256")));
  EXPECT_TRUE(at::equal(second.values, first.values));
  ASSERT_EQ(third.notes.size(), 1u);
  EXPECT_EQ(third.notes[0].first, Note::information) << "it was kept anew";
}

TEST_F(ReferenceTest, ThatOfAnotherModelIsRefused) {
  run(&place_);
  const ReferencePlace other{place_.folder, "another"};
  EXPECT_THROW(run(&other), UserError);
}

TEST_F(ReferenceTest, OneThatDoesNotFitTheBatchesIsRefused) {
  std::vector<int> batches(100);
  std::iota(batches.begin(), batches.end(), 0);
  on_ranks(1,
           [&](ReferenceStore& store, MicroBatchRange range) { store.save(batches, parts(batches, range)); });
  try {
    run(&place_);
    FAIL() << "the kept log-probs were not used";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("the kept reference has 3 log-probs for a micro-batch of"));
  }
}

TEST_F(ReferenceTest, AnyNumberOfRanksReadsWhatAnyNumberWrote) {
  const std::vector<int> batches = {5, 0, 3};
  for (int writers : {1, 2, 3, 6}) {
    std::filesystem::remove_all(place_.folder);
    on_ranks(writers, [&](ReferenceStore& store, MicroBatchRange range) {
      store.save(batches, parts(batches, range));
    });
    for (int readers : {1, 2, 4, 5}) {
      on_ranks(readers, [&](ReferenceStore& store, MicroBatchRange range) {
        expect_parts(store.load(batches), batches, range);
      });
    }
  }
}

TEST_F(ReferenceTest, FewerBatchesAreReadOfMoreAndMoreAreCompleted) {
  const std::vector<int> one = {5}, two = {5, 0}, three = {5, 0, 3};
  on_ranks(2, [&](ReferenceStore& store, MicroBatchRange range) {
    EXPECT_TRUE(store.load(two).empty());
    store.save(two, parts(two, range));
    expect_parts(store.load(one), one, range);
    expect_parts(store.load(three), two, range);
    store.save(three, parts(three, range));
    expect_parts(store.load(three), three, range);
  });
}

}  // namespace
}  // namespace apportion
