// A run next to others: it waits for what they have, takes what they give up, and looks less often the longer
// it waits.
#include "coordinator/open_tasks.h"

#include <gtest/gtest.h>

#include "tests/support/memory_claims.h"

namespace apportion {
namespace {

/// Counts how often a run looks.
class CountingClaims : public MemoryClaims {
 public:
  using MemoryClaims::MemoryClaims;
  void look() override { ++looks; }
  int looks = 0;
};

class OpenTasksTest : public testing::Test {
 protected:
  OpenTasksTest() {
    std::vector<Task> tasks(3);
    for (size_t number = 0; number < tasks.size(); ++number) tasks[number].id = std::to_string(number);
    tasks[2].inputs = {"0"};
    graph_ = std::make_shared<const TaskGraph>(task_list(std::move(tasks)), TaskOrder::plan);
    folder_.now = [this] { return now_; };
  }
  std::vector<size_t> claimed(size_t most) {
    return open_->claimed(
        most, "", [this] { return stops_; }, now_);
  }
  void SetUp() override {
    open_ = std::make_unique<OpenTasks>(
        TaskPool(graph_, std::vector(3, TaskState::waiting)), claims_,
        [this](const Task& task) { recorded_ += task.id; }, [](const Task&) {});
  }

  std::shared_ptr<const TaskGraph> graph_;
  MemoryFolder folder_;
  CountingClaims claims_{folder_, 1};
  std::unique_ptr<OpenTasks> open_;
  double now_ = 100;
  bool stops_ = false;
  std::string recorded_;
};

TEST_F(OpenTasksTest, WhatAnotherGivesUpIsTakenAndWhatItHasDoneIsTold) {
  MemoryClaims other(folder_, 2);
  for (size_t task : {0, 1}) other.claim(graph_->task(task));
  EXPECT_TRUE(claimed(3).empty());
  EXPECT_TRUE(open_->goes_on(true));
  EXPECT_FALSE(open_->goes_on(false)) << "all is at work elsewhere, or waits for it";
  other.finished(graph_->task(0), 1);
  other.give_back(graph_->task(1));
  now_ += 1;
  EXPECT_EQ(claimed(3), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(recorded_, "0");
}

TEST_F(OpenTasksTest, TheLongerItWaitsTheLessOftenItLooks) {
  MemoryClaims other(folder_, 2);
  for (size_t task : {0, 1}) other.claim(graph_->task(task));
  for (int tenth = 0; tenth <= 100; ++tenth, now_ += 0.1) claimed(1);
  const int at_first = claims_.looks;  // once a second for ten seconds
  EXPECT_GE(at_first, 10);
  EXPECT_LE(at_first, 11);
  for (int tenth = 0; tenth < 1000; ++tenth, now_ += 0.1) claimed(1);
  EXPECT_LE(claims_.looks - at_first, 30) << "in a hundred seconds";
  EXPECT_GE(claims_.looks - at_first, 15);
}

TEST_F(OpenTasksTest, NothingIsTakenWhenItIsToStop) {
  stops_ = true;
  EXPECT_TRUE(claimed(3).empty());
  stops_ = false;
  EXPECT_EQ(claimed(3), (std::vector<size_t>{0, 1}));
}

}  // namespace
}  // namespace apportion
