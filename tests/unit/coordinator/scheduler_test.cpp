// The scheduler runs every task of any DAG once, on ranks of which none is used twice, and never stops early.
#include "coordinator/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

Task task(const std::string& id, const std::string& kind, std::vector<std::string> inputs = {}) {
  Task result;
  result.id = id;
  result.kind = task_kind(kind);
  result.inputs = std::move(inputs);
  return result;
}

std::vector<int> ranks_below(int count) {
  std::vector<int> ranks(static_cast<size_t>(count));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

constexpr TaskState waiting = TaskState::waiting, running = TaskState::running, done = TaskState::done;

const std::vector<Task> full = {task("before", "measure"), task("one", "sft"),
                                task("two", "calibrate", {"one"}), task("after", "measure", {"two"})};

/// The assignments of a pool in these states.
std::vector<Assignment> next_of(const std::vector<Task>& tasks, const std::vector<TaskState>& states,
                                const std::vector<int>& idle, int ranks, const GroupOptions& options) {
  const bool side_by_side = ranks > 1 && (options.group_size == 0 || options.group_size < ranks);
  const TaskPool pool(tasks, states, side_by_side ? TaskOrder::longest_first : TaskOrder::plan);
  return next_assignments(pool, pool.ready(idle.size(), ""), idle, options);
}

TEST(Scheduler, IndependentTasksGoToDifferentGroups) {
  auto next = next_of(full, {waiting, waiting, waiting, waiting}, ranks_below(4), 4, {0, 4});
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].task, 1u);  // the training chain first, with the larger share
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
  auto next = next_of({task("one", "sft")}, {waiting}, ranks_below(9), 9, {0, 4});
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
  EXPECT_THROW(next_of({task("a", "sft", {"nowhere"})}, {waiting}, {0}, 1, {0, 4}), InternalError);
}

/// Runs a random DAG to its end, finishing running groups in random order, and checks the rules on the way.
void run_random_job(uint64_t seed) {
  CounterRng rng(seed, "scheduler_test");
  std::vector<Task> tasks;
  size_t count = 1 + rng.below(12);
  for (size_t number = 0; number < count; ++number) {
    std::vector<std::string> inputs;
    for (size_t earlier = 0; earlier < number; ++earlier) {
      if (rng.below(4) == 0) inputs.push_back(tasks[earlier].id);
    }
    tasks.push_back(task("t" + std::to_string(number), rng.below(2) ? "measure" : "sft", inputs));
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

TEST(TaskPool, TheLongestChainComesFirstAndTheLoadedModelBefore) {
  std::vector<Task> tasks = full;
  tasks.push_back(task("other", "sft"));
  tasks.push_back(task("after other", "measure", {"other"}));
  for (Task& of : tasks) of.identity = {{"model", "m"}, {"options", {{"sft_steps", "40"}}}};
  for (size_t other : {4, 5}) tasks[other].identity["model"] = "n";
  tasks[4].identity["options"]["sft_steps"] = "400";
  const TaskPool pool(tasks, std::vector(6, waiting), TaskOrder::longest_first);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{4, 1, 0}));
  EXPECT_EQ(pool.ready(2, ""), (std::vector<size_t>{4, 1}));
  EXPECT_EQ(pool.ready(9, "m"), (std::vector<size_t>{1, 0, 4}));
}

TEST(TaskPool, ACellIsBroughtToItsEndBeforeTheNextBegins) {
  std::vector<Task> tasks;
  for (const char* cell : {"a", "b", "c"}) {
    tasks.push_back(task(std::string("stage of ") + cell, "sft"));
    tasks.push_back(task(std::string("measure of ") + cell, "measure", {tasks.back().id}));
    for (size_t of : {tasks.size() - 2, tasks.size() - 1})
      tasks[of].identity = {{"model", "m"}, {"options", {{"sft_steps", *cell == 'b' ? "400" : "40"}}}};
  }
  const std::vector<size_t> cells = {0, 0, 1, 1, 2, 2};
  TaskPool pool(tasks, std::vector(6, waiting), TaskOrder::longest_first, cells);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{2, 0, 4}))
      << "the longest cell first, then as they stand";
  pool.set(2, done);
  EXPECT_EQ(pool.ready(1, ""), std::vector<size_t>{3}) << "though other cells' stages are longer";
  pool.set(3, done);
  pool.set(0, done);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{1, 4}));
}

TEST(TaskPool, WhatFailedIsNotWaitedForAndWhatIsElsewhereIs) {
  TaskPool pool(full, std::vector(4, waiting), TaskOrder::plan);
  pool.set(0, done);
  pool.set(1, TaskState::elsewhere);
  EXPECT_FALSE(pool.has_ready());
  EXPECT_EQ(pool.elsewhere(), std::vector<size_t>{1});
  pool.set(1, done);
  EXPECT_EQ(pool.ready(9, ""), std::vector<size_t>{2});
  pool.set(2, running);
  EXPECT_TRUE(pool.has_running());
  pool.set(2, TaskState::failed);
  EXPECT_EQ(pool.state(3), TaskState::failed);
  EXPECT_FALSE(pool.has_ready() || pool.has_running());
  EXPECT_THROW(pool.set(1, waiting), InternalError);
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
