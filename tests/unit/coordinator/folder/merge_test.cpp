// What comes from another folder, what stays as it is, and what is reported; also after a killed merge.
#include "coordinator/folder/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "coordinator/folder/garbage.h"
#include "coordinator/judge/judgement_cache.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/journal.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MergeTest : public testing::Test {
 protected:
  void SetUp() override {
    cells_ = write_sample_folder(from_.path());
    JournalWriter(from_.path(), "node-1").add({JournalEvent::began});
    write(from_, "replay/key.json");
    write(from_, "reference/key/step-00000001/rank-0-of-1.bin");
    write(from_, "reference/key/step-00000001/COMPLETE");
    write(from_, "reference/half/step-00000001/rank-0-of-1.bin");
  }
  static void write(const TemporaryDirectory& directory, const std::string& below) {
    const std::string path = directory.path() + "/" + below;
    make_directories(fs::path(path).parent_path());
    write_file(path, below);
  }
  Merged merge() const { return merge_folder(here_.path(), from_.path()); }
  std::string error_of(const std::string& directory, const std::string& from) const {
    try {
      merge_folder(directory, from);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  /// Digests of results, without the records of the runs themselves.
  static std::map<std::string, std::string> results_below(const TemporaryDirectory& directory) {
    std::map<std::string, std::string> all = digests_below(directory.path());
    std::erase_if(all, [](const auto& entry) { return entry.first.starts_with("journal/"); });
    return all;
  }

  TemporaryDirectory here_, from_;
  std::vector<Cell> cells_;
};

TEST_F(MergeTest, AllThatIsFinishedComes) {
  write(from_, "tasks/unfinished/checkpoint/step-00000001/COMPLETE");
  write(from_, "tasks/" + cells_[0].training.at("sft") + "/adapter/README.md.tmp.node.1");
  write(from_, "slurm/smoke.sbatch");
  const auto there = results_below(from_);
  const Merged merged = merge();
  EXPECT_EQ(merged.results, 10u);
  EXPECT_EQ(merged.cells, 2u);
  EXPECT_THAT(merged.left, IsEmpty());
  auto expected = there;
  for (const std::string& name :
       {std::string("tasks/unfinished/checkpoint/step-00000001/COMPLETE"),
        "tasks/" + cells_[0].training.at("sft") + "/adapter/README.md.tmp.node.1",
        std::string("slurm/smoke.sbatch"), std::string("reference/half/step-00000001/rank-0-of-1.bin")})
    EXPECT_EQ(expected.erase(name), 1u) << name;
  EXPECT_EQ(results_below(here_), expected);
  EXPECT_EQ(results_below(from_), there) << "nothing changes there";
  EXPECT_TRUE(fs::exists(here_.path() + "/journal/node-1.log"));
  // A second merge finds nothing new.
  const Merged again = merge();
  EXPECT_EQ(again.results + again.cells, 0u);
  EXPECT_EQ(again.had, 10u);
  EXPECT_EQ(results_below(here_), expected);
}

TEST_F(MergeTest, WhatIsHereStaysAndADifferenceIsTold) {
  const std::string id = cells_[0].measures.at("after/v2");
  const MeasureFile other =
      sample_measure(sample_gender_set("v2"), {0.3, 0.5, 0, 0.9, 0.9}, {cells_[0].training.at("calibrate")});
  ASSERT_EQ(other.record.task.id, id);
  write_measure_file(result_path(here_.path(), id), other);
  write(here_, "replay/key.json.other");
  write_file(here_.path() + "/replay/key.json", "ours");
  const std::string ours = read_file(result_path(here_.path(), id));
  const Merged merged = merge();
  ASSERT_EQ(merged.left.size(), 1u);
  EXPECT_EQ(merged.left[0], result_path(here_.path(), id) + " and " + result_path(from_.path(), id) +
                                " are results of the same task and differ; the first one stays");
  EXPECT_EQ(read_file(result_path(here_.path(), id)), ours);
  EXPECT_EQ(read_file(here_.path() + "/replay/key.json"), "ours");
  EXPECT_EQ(merged.results, 9u);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(say_merged(merge_folder(here_.path(), from_.path()), from_.path()), 1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("are results of the same task and differ"));
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("9 results were here\n"));
}

TEST_F(MergeTest, DamageDoesNotComeNorACellThatNeedsIt) {
  const std::string adapter = adapter_directory(from_.path(), cells_[0].training.at("sft"));
  write_file(adapter + "/adapter_model.safetensors", "another");
  write_file(result_path(from_.path(), cells_[0].measures.at("after/v2")), "damage");
  const Merged merged = merge();
  EXPECT_EQ(merged.results, 8u);
  EXPECT_EQ(merged.cells, 1u);
  EXPECT_THAT(merged.left, testing::UnorderedElementsAre(
                               HasSubstr("does not match the SHA-256"), HasSubstr("it is not copied"),
                               HasSubstr("cell gender-us-real-full of job smoke is left out")));
  EXPECT_FALSE(fs::exists(task_directory(here_.path(), cells_[0].training.at("sft"))));
  EXPECT_EQ(indexed_cells(here_.path()).size(), 1u);
}

TEST_F(MergeTest, GoesOnWhereOneWasKilled) {
  // One merge was killed after an adapter, before the result that commits it; another in the middle of a
  // file.
  const std::string begun = cells_[0].training.at("sft"), half = cells_[0].training.at("calibrate");
  write(here_, "tasks/" + begun + "/adapter/adapter_config.json");
  write(here_, "tasks/" + begun + "/adapter/adapter_model.safetensors");
  write(here_, "tasks/" + half + "/adapter/adapter_model.safetensors.tmp.node.1");
  write(here_, "reference/key/step-00000001/rank-0-of-1.bin");
  const auto there = results_below(from_);
  EXPECT_THAT(merge().left, IsEmpty());
  auto expected = there;
  expected.erase("reference/half/step-00000001/rank-0-of-1.bin");
  auto here = results_below(here_);
  EXPECT_EQ(here.erase("tasks/" + half + "/adapter/adapter_model.safetensors.tmp.node.1"), 1u);
  EXPECT_EQ(here, expected);
}

TEST_F(MergeTest, AResultComesAfterWhatBelongsToIt) {
  for (const auto& [name, id] : cells_[0].training) write(here_, "tasks/" + id + "/adapter");
  EXPECT_THROW(merge(), UserError) << "a file is in the way";
  for (const auto& [name, id] : cells_[0].training) {
    EXPECT_FALSE(fs::exists(result_path(here_.path(), id)));
    fs::remove(adapter_directory(here_.path(), id));
  }
  EXPECT_THAT(merge().left, IsEmpty());
}

TEST_F(MergeTest, WhatARunHereIsAtIsLeftToIt) {
  Leases run(here_.path(), "smoke", 60);
  const std::string id = cells_[0].measures.at("after/v2");
  ASSERT_TRUE(run.take(id).ours);
  write(here_, "tasks/" + id + "/checkpoint/rank-0-of-1.units");
  const Merged merged = merge();
  EXPECT_EQ(merged.results, 9u);
  EXPECT_THAT(merged.left, ElementsAre(HasSubstr("is at work in " + here_.path()), HasSubstr("left out")));
  EXPECT_FALSE(fs::exists(result_path(here_.path(), id)));
  run.release(id);
  EXPECT_THAT(merge().left, IsEmpty());
  EXPECT_FALSE(fs::exists(checkpoint_directory(here_.path(), id)));
}

TEST_F(MergeTest, PlansOfOneJobAreUnited) {
  const PlanFile ours{"j", {"a", "b"}, {{"1", "one", 0}, {"2", "two", 1}}};
  const PlanFile theirs{"j", {"c", "b"}, {{"2", "zwei", 0}, {"3", "three", 1}, {"4", "four", 0}}};
  const PlanFile both = united(ours, theirs);
  EXPECT_THAT(both.cells, ElementsAre("a", "b", "c"));
  ASSERT_EQ(both.tasks.size(), 4u);
  EXPECT_EQ(both.tasks[1].label, "two");
  EXPECT_EQ(both.tasks[2].cell, 1u);
  EXPECT_EQ(both.tasks[3].cell, 2u);
  write_plan_file(here_.path(), {"smoke", {"mine"}, {{"1", "one", 0}}});
  merge();
  const std::vector<PlanFile> plans = read_plan_files(here_.path());
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_EQ(plans[0].cells.size(), 3u);
  EXPECT_EQ(plans[0].tasks.size(), 11u);
  EXPECT_TRUE(find_garbage(here_.path(), {}, 0).empty()) << "all that came is named";
}

TEST_F(MergeTest, ACellOfOneNameStaysAndIsTold) {
  Cell mine{"smoke", cells_[0].name, {{"after/v2", "1"}}, {}};
  write_index(here_.path(), {mine});
  const Merged merged = merge();
  EXPECT_EQ(merged.cells, 1u);
  EXPECT_THAT(merged.left, ElementsAre(HasSubstr("has other tasks in")));
  EXPECT_EQ(tasks_of(indexed_cells(here_.path())[0]), tasks_of(mine));
}

TEST_F(MergeTest, JournalsComeAndGrow) {
  merge();
  JournalWriter(from_.path(), "node-1").add({JournalEvent::failed, "t", "stage 1", "why"});
  merge();
  const std::string name = "/journal/node-1.log";
  EXPECT_EQ(read_file(here_.path() + name), read_file(from_.path() + name));
  JournalWriter(here_.path(), "node-1").add({JournalEvent::left});
  const std::string longer = read_file(here_.path() + name);
  merge();
  EXPECT_EQ(read_file(here_.path() + name), longer);
}

TEST_F(MergeTest, JudgementsAreUnited) {
  const std::string name = "/judgements/judge.jsonl";
  JudgementCache(from_.path() + name).add("theirs", "Female");
  JudgementCache(from_.path() + name).add("both", "Female");
  JudgementCache(here_.path() + name).add("both", "Male");
  merge();
  const JudgementCache cache(here_.path() + name);
  EXPECT_EQ(cache.find("theirs"), "Female");
  EXPECT_EQ(cache.find("both"), "Male");
}

TEST_F(MergeTest, WhatMakesNoSenseIsRefused) {
  EXPECT_THAT(error_of(from_.path(), from_.path() + "/."), HasSubstr("are the same folder"));
  EXPECT_THAT(error_of(here_.path(), here_.path() + "/absent"), HasSubstr("is not a directory"));
  EXPECT_THAT(error_of(here_.path() + "/absent", from_.path()), HasSubstr("is not a directory"));
  EXPECT_THAT(error_of(from_.path(), here_.path()), HasSubstr("holds no results"));
  {
    Leases run(from_.path(), "smoke", 60);
    EXPECT_THAT(error_of(here_.path(), from_.path()), HasSubstr("works in " + from_.path()));
  }
  EXPECT_THAT(digests_below(here_.path()), IsEmpty());
  write_file(here_.path() + "/index.h5", "damage");
  EXPECT_THAT(error_of(here_.path(), from_.path()), HasSubstr("index.h5"));
}

}  // namespace
}  // namespace apportion
