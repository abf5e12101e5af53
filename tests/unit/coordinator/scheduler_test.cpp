// The scheduler runs every task of any DAG once, never uses a rank twice at a time, and never stops early.
#include "coordinator/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "tests/support/sample_tasks.h"

namespace apportion {
namespace {

std::vector<int> ranks_below(int count) {
  std::vector<int> ranks(static_cast<size_t>(count));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

constexpr TaskState waiting = TaskState::waiting, running = TaskState::running, done = TaskState::done;

const std::vector<Task> full = two_stages();

/// The next assignments from a pool in these states.
std::vector<Assignment> next_of(const std::vector<Task>& tasks, const std::vector<TaskState>& states,
                                const std::vector<int>& idle, int ranks, const GroupOptions& options) {
  const bool side_by_side = ranks > 1 && (options.group_size == 0 || options.group_size < ranks);
  const TaskOrder order = side_by_side ? TaskOrder::longest_first : TaskOrder::plan;
  const TaskPool pool(std::make_shared<const TaskGraph>(task_list(tasks), order), states);
  return next_assignments(pool, pool.ready(idle.size(), ""), idle, options);
}

TEST(Scheduler, IndependentTasksGoToDifferentGroups) {
  auto next = next_of(full, {waiting, waiting, waiting, waiting}, ranks_below(4), 4, {0, 4});
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].task, 1u);  // the training chain comes first and gets more ranks
  EXPECT_EQ(next[0].ranks, (std::vector{0, 1, 2}));
  EXPECT_EQ(next[1].task, 0u);
  EXPECT_EQ(next[1].ranks, std::vector{3});
}

TEST(Scheduler, OneProcessKeepsThePlansOrder) {
  auto next = next_of(full, {waiting, waiting, waiting, waiting}, {0}, 1, {0, 4});
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].task, 0u);
}

TEST(Scheduler, AFixedGroupOfAllRanksTakesOneTaskAtATime) {
  auto next = next_of(full, {waiting, waiting, waiting, waiting}, ranks_below(4), 4, {4, 4});
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].task, 0u);
  EXPECT_EQ(next[0].ranks, ranks_below(4));
}

TEST(Scheduler, AFixedSizeIsClampedToTheIdleRanks) {
  auto next = next_of(full, {waiting, waiting, waiting, waiting}, {0, 2, 3}, 4, {2, 4});
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].ranks, (std::vector{0, 2}));
  EXPECT_EQ(next[1].ranks, std::vector{3});
}

TEST(Scheduler, NoGroupIsLargerThanTheMicroBatches) {
  auto next = next_of({plain_task("one", "sft")}, {waiting}, ranks_below(9), 9, {0, 4});
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].ranks.size(), 4u);
}

TEST(Scheduler, WaitsForInputsAndForIdleRanks) {
  EXPECT_TRUE(next_of(full, {done, running, waiting, waiting}, {1}, 2, {0, 4}).empty());
  EXPECT_TRUE(next_of(full, {waiting, running, waiting, waiting}, {}, 2, {0, 4}).empty());
  auto next = next_of(full, {done, done, waiting, waiting}, {0, 1}, 2, {0, 4});
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].task, 2u);
}

TEST(Scheduler, AnUnknownInputIsABug) {
  EXPECT_THROW(next_of({plain_task("a", "sft", {"nowhere"})}, {waiting}, {0}, 1, {0, 4}), InternalError);
}

/// Runs a random DAG to its end, with running groups finishing in random order, and checks the rules on the
/// way.
void run_random_job(uint64_t seed) {
  CounterRng rng(seed, "scheduler_test");
  std::vector<Task> tasks;
  size_t count = 1 + rng.below(12);
  for (size_t number = 0; number < count; ++number) {
    std::vector<std::string> inputs;
    for (size_t earlier = 0; earlier < number; ++earlier) {
      if (rng.below(4) == 0) inputs.push_back(tasks[earlier].id);
    }
    tasks.push_back(plain_task("t" + std::to_string(number), rng.below(2) ? "measure" : "sft", inputs));
  }
  int ranks = 1 + static_cast<int>(rng.below(9));
  GroupOptions options = {static_cast<int>(rng.below(6)), 1 + static_cast<int>(rng.below(5))};
  std::vector<TaskState> states(count, waiting);
  std::vector<Assignment> groups;
  std::set<int> idle;
  for (int rank : ranks_below(ranks)) idle.insert(rank);
  std::vector<int> runs(count, 0);
  for (size_t round = 0; round <= 2 * count; ++round) {
    for (Assignment& next : next_of(tasks, states, {idle.begin(), idle.end()}, ranks, options)) {
      ASSERT_EQ(states[next.task], waiting);
      ASSERT_FALSE(next.ranks.empty());
      if (options.group_size == 0) {
        ASSERT_LE(static_cast<int>(next.ranks.size()), options.micro_batches);
      }
      for (const std::string& input : tasks[next.task].inputs)
        ASSERT_EQ(states[std::stoul(input.substr(1))], done);
      for (int rank : next.ranks) ASSERT_EQ(idle.erase(rank), 1u) << "rank used twice";
      states[next.task] = running;
      ++runs[next.task];
      groups.push_back(std::move(next));
    }
    if (groups.empty()) break;
    size_t finished = rng.below(groups.size());
    states[groups[finished].task] = done;
    idle.insert(groups[finished].ranks.begin(), groups[finished].ranks.end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(finished));
  }
  EXPECT_EQ(runs, std::vector<int>(count, 1)) << "seed " << seed;
}

TEST(Scheduler, RunsEveryTaskOfRandomJobsOnce) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    run_random_job(seed);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(GroupSizes, EveryTaskGetsARankBeforeOneGetsTwo) {
  EXPECT_EQ(group_sizes({3, 1, 1}, 2, {0, 4}), (std::vector{1, 1, 0}));
  EXPECT_EQ(group_sizes({3, 1, 1}, 3, {0, 4}), (std::vector{1, 1, 1}));
}

TEST(GroupSizes, FurtherRanksGoWhereTheirPartIsLargest) {
  EXPECT_EQ(group_sizes({3, 1}, 3, {0, 8}), (std::vector{2, 1}));
  EXPECT_EQ(group_sizes({3, 1}, 4, {0, 8}), (std::vector{3, 1}));
  EXPECT_EQ(group_sizes({3, 1}, 8, {0, 8}), (std::vector{6, 2}));
}

TEST(GroupSizes, TheCapLeavesRanksIdle) {
  EXPECT_EQ(group_sizes({3, 1}, 16, {0, 4}), (std::vector{4, 4}));
  EXPECT_EQ(group_sizes({1}, 3, {0, 1}), (std::vector{1}));
}

TEST(GroupSizes, AFixedSizeFillsGroupsInOrder) {
  EXPECT_EQ(group_sizes({1, 1, 1}, 5, {2, 1}), (std::vector{2, 2, 1}));
  EXPECT_EQ(group_sizes({1, 1, 1}, 2, {4, 4}), (std::vector{2, 0, 0}));
}

TEST(GroupSizes, NothingToDivide) {
  EXPECT_TRUE(group_sizes({}, 4, {0, 4}).empty());
  EXPECT_EQ(group_sizes({1, 1}, 0, {0, 4}), (std::vector{0, 0}));
}

}  // namespace
}  // namespace apportion
