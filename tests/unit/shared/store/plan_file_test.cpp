// Plans: a job's plan is read back, and a damaged file is named.
#include "shared/store/plan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::ThrowsMessage;

TEST(PlanFile, KeepsCellsAndTasksAndTheLastOneCounts) {
  TemporaryDirectory directory;
  EXPECT_THAT(read_plan_files(directory.path()), IsEmpty());
  write_plan_file(directory.path(),
                  {"a/b", {"seed=0", "caf\xe9"}, {{"t", "stage 1", 0}, {"u", "after, v2", 1}}});
  write_plan_file(directory.path(), {"other", {""}, {{"t", "stage 1", 0}}});
  auto plans = read_plan_files(directory.path());
  ASSERT_THAT(plans, SizeIs(2));
  EXPECT_EQ(plans[0].job, "a/b");
  ASSERT_THAT(plans[0].tasks, SizeIs(2));
  EXPECT_EQ(plans[0].tasks[1].label, "after, v2");
  EXPECT_EQ(plans[0].tasks[1].cell, 1u);
  write_plan_file(directory.path(), {"a/b", {"seed=0"}, {}});
  EXPECT_THAT(read_plan_files(directory.path())[0].tasks, IsEmpty());
}

TEST(PlanFile, WhatIsNoPlanIsNamed) {
  for (const char* text :
       {"", "{", "[]", R"({"job":"j","cells":[""],"tasks":[["../up","l",0]]})",
        R"({"job":"j","cells":[""],"tasks":[["a/b","l",0]]})",
        R"({"job":"j","cells":[""],"tasks":[[".a","l",0]]})",
        R"({"job":"j","cells":[""],"tasks":[["","l",0]]})",
        R"({"job":"j","cells":[""],"tasks":[["t","l",1]]})", R"({"job":"j","cells":[""],"tasks":[["t"]]})"}) {
    TemporaryDirectory directory;
    make_directories(directory.path() + "/plans");
    write_file(directory.path() + "/plans/j.json", text);
    EXPECT_THAT([&] { read_plan_files(directory.path()); },
                ThrowsMessage<DataError>(HasSubstr("plans/j.json")))
        << text;
  }
}

}  // namespace
}  // namespace apportion
