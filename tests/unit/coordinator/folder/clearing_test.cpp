// What users see of garbage, and that nothing is removed unless they say so.
#include "coordinator/folder/clearing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::HasSubstr;

FolderGarbage sample_garbage() {
  FolderGarbage garbage;
  for (int i = 0; i < 5; ++i)
    garbage.items.push_back({GarbageSort::result, "tasks/" + std::to_string(i), 1024, 1000.0 * i});
  garbage.items.push_back({GarbageSort::temporary, "index.h5.tmp.node.1", 3, 0});
  garbage.forgotten_cells = {"smoke/a"};
  return garbage;
}

TEST(Clearing, TheListHasCountSizeAndTheOldestOfEachSort) {
  const std::string text = render_garbage("runs/x", sample_garbage());
  EXPECT_THAT(text, HasSubstr("runs/x: 5.0 KiB in 6 places that no job names\n"));
  EXPECT_THAT(text, HasSubstr("     5 finished tasks "));
  EXPECT_THAT(text, HasSubstr("5.0 KiB   tasks/0 (1970-01-01"));
  EXPECT_THAT(text, testing::ContainsRegex("tasks/2 \\([^)]*\\), \\.\\.\\.\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("tasks/3")));
  EXPECT_THAT(text, HasSubstr("3 B   index.h5.tmp.node.1 (1970"));
  EXPECT_THAT(text, HasSubstr("     1 cells of the index"));
  EXPECT_EQ(render_garbage("runs/x", {}), "runs/x: nothing to remove, jobs name all of it\n");
}

TEST(Clearing, JsonHasAll) {
  const nlohmann::json json = nlohmann::json::parse(garbage_json(sample_garbage(), true));
  EXPECT_EQ(json.at("removed"), true);
  EXPECT_EQ(json.at("bytes"), 5 * 1024 + 3);
  EXPECT_EQ(json.at("items").size(), 6u);
  EXPECT_EQ(json.at("sorts").at("finished tasks").at("count"), 5);
  EXPECT_EQ(json.at("sorts").at("unfinished tasks").at("count"), 0);
  EXPECT_EQ(json.at("cells").at(0), "smoke/a");
}

TEST(Clearing, NothingGoesUnlessItIsSaid) {
  TemporaryDirectory directory;
  write_sample_folder(directory.path());
  make_directories(directory.path() + "/tasks/unfinished");
  testing::internal::CaptureStdout();
  clear_folder(directory.path(), {}, false, true);  // whatever standard input is
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("\"removed\": false"));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/tasks/unfinished"));
  testing::internal::CaptureStdout();
  clear_folder(directory.path(), {}, true, false);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("removed: 0 B in 1 places\n"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/tasks/unfinished"));
}

TEST(Clearing, ALivingMemberForbidsIt) {
  TemporaryDirectory directory;
  write_sample_folder(directory.path());
  write_stranger(directory.path(), "alive", 1);
  EXPECT_THROW(clear_folder(directory.path(), {}, false, true), UserError);
}

}  // namespace
}  // namespace apportion
