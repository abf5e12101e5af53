// Which tasks come next: the longest chain first, cell by cell, tasks of the loaded model before others, and
// none that waits for another.
#include "coordinator/task_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "tests/support/sample_tasks.h"

namespace apportion {
namespace {

constexpr TaskState waiting = TaskState::waiting, running = TaskState::running, done = TaskState::done;

const std::vector<Task> full = two_stages();

TaskPool pool_of(const std::vector<Task>& tasks, TaskOrder order, const std::vector<size_t>& cells = {}) {
  return {std::make_shared<const TaskGraph>(task_list(tasks), order, cells),
          std::vector(tasks.size(), waiting)};
}

nlohmann::json identity_of(const std::string& model, const std::string& steps) {
  return {{"model", model}, {"options", {{"sft_steps", steps}}}};
}

TEST(TaskPool, TheLongestChainComesFirstAndTheLoadedModelBefore) {
  std::vector<Task> tasks = full;
  tasks.push_back(plain_task("other", "sft"));
  tasks.push_back(plain_task("after other", "measure", {"other"}));
  for (Task& of : tasks) of.identity = identity_of("m", "40");
  tasks[4].identity = identity_of("n", "400");
  tasks[5].identity = identity_of("n", "40");
  const TaskPool pool = pool_of(tasks, TaskOrder::longest_first);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{4, 1, 0}));
  EXPECT_EQ(pool.ready(2, ""), (std::vector<size_t>{4, 1}));
  EXPECT_EQ(pool.ready(9, "m"), (std::vector<size_t>{1, 0, 4}));
}

TEST(TaskPool, ACellIsBroughtToItsEndBeforeTheNextBegins) {
  std::vector<Task> tasks;
  for (const char* cell : {"a", "b", "c"}) {
    tasks.push_back(plain_task(std::string("stage of ") + cell, "sft"));
    tasks.push_back(plain_task(std::string("measure of ") + cell, "measure", {tasks.back().id}));
    for (size_t of : {tasks.size() - 2, tasks.size() - 1})
      tasks[of].identity = identity_of("m", *cell == 'b' ? "400" : "40");
  }
  const std::vector<size_t> cells = {0, 0, 1, 1, 2, 2};
  TaskPool pool = pool_of(tasks, TaskOrder::longest_first, cells);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{2, 0, 4}))
      << "the longest cell first, then as they stand";
  pool.set(2, done);
  EXPECT_EQ(pool.ready(1, ""), std::vector<size_t>{3}) << "though other cells' stages are longer";
  pool.set(3, done);
  pool.set(0, done);
  EXPECT_EQ(pool.ready(9, ""), (std::vector<size_t>{1, 4}));
}

TEST(TaskPool, WhatFailedIsNotWaitedForAndWhatIsElsewhereIs) {
  TaskPool pool = pool_of(full, TaskOrder::plan);
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

/// For any states set in any order, the ready tasks are those of the definition.
TEST(TaskPool, WhatIsReadyIsWhatWaitsForNothing) {
  CounterRng rng(0, "task_pool_test");
  constexpr size_t count = 200;
  std::vector<Task> tasks;
  for (size_t number = 0; number < count; ++number) {
    std::vector<std::string> inputs;
    if (number > 0 && rng.below(3) > 0) inputs.push_back(tasks[rng.below(number)].id);
    tasks.push_back(plain_task(std::to_string(number), "measure", inputs));
    tasks.back().identity = nlohmann::json{{"model", rng.below(2) == 0 ? "m" : "n"}};
  }
  TaskPool pool = pool_of(tasks, TaskOrder::plan);
  for (int change = 0; change < 2000; ++change) {
    const size_t changed = rng.below(count);
    const std::vector<size_t> before = pool.ready(count, "");
    const bool may = pool.state(changed) == TaskState::running ||
                     pool.state(changed) == TaskState::elsewhere ||
                     std::find(before.begin(), before.end(), changed) != before.end();
    if (may) pool.set(changed, static_cast<TaskState>(rng.below(4)));  // none fails
    std::vector<size_t> ready, of_model;
    for (size_t number = 0; number < count; ++number) {
      const std::vector<std::string>& inputs = tasks[number].inputs;
      const bool free = inputs.empty() || pool.state(std::stoul(inputs.front())) == done;
      if (pool.state(number) == waiting && free) ready.push_back(number);
    }
    ASSERT_EQ(pool.ready(count, ""), ready);
    std::copy_if(ready.begin(), ready.end(), std::back_inserter(of_model),
                 [&](size_t number) { return tasks[number].identity.at("model") == "n"; });
    of_model.resize(std::min<size_t>(of_model.size(), 3));
    const std::vector<size_t> first = pool.ready(3, "n");
    ASSERT_EQ(std::vector(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(of_model.size())),
              of_model);
    ASSERT_EQ(pool.has_ready(), !ready.empty());
  }
}

}  // namespace
}  // namespace apportion
