// What counts as garbage and what does not, sort by sort; and that a removal takes nothing else.
#include "coordinator/folder/garbage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class GarbageTest : public testing::Test {
 protected:
  std::string path(const std::string& below) const { return directory_.path() + "/" + below; }
  void write(const std::string& below, int seconds_ago = 0) const {
    make_directories(std::filesystem::path(path(below)).parent_path());
    write_file(path(below), "12345");
    make_older(path(below), seconds_ago);
  }
  FolderGarbage find(const Forgotten& forgotten = {}) const {
    return find_garbage(directory_.path(), forgotten, static_cast<double>(std::time(nullptr)));
  }
  std::vector<std::string> found(GarbageSort sort, const Forgotten& forgotten = {}) const {
    std::vector<std::string> paths;
    for (const Garbage& item : find(forgotten).items) {
      if (item.sort == sort) paths.push_back(item.path);
    }
    return paths;
  }
  FolderGarbage remove(const FolderGarbage& listed, const Forgotten& forgotten = {}) const {
    Leases self(directory_.path(), "gc", 60);
    return remove_garbage(directory_.path(), forgotten, listed, self,
                          static_cast<double>(std::time(nullptr)));
  }
  std::string error_of(const Forgotten& forgotten = {}) const {
    try {
      find(forgotten);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryDirectory directory_;
};

TEST_F(GarbageTest, AFolderThatARunLeftHasNone) {
  write_sample_folder(directory_.path());
  { Leases left(directory_.path(), "smoke", 60); }
  write("replay/key.json", 7200);
  write("reference/key/step-00000001/COMPLETE", 7200);
  for (const char* part : {"judgements/a.jsonl", "journal/a.log", "slurm/smoke.sbatch", "coefficients.json"})
    write(part, 7200);
  EXPECT_TRUE(find().empty());
}

TEST_F(GarbageTest, TasksThatNothingNamesAreIt) {
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  replace_index(directory_.path(), {cells[0]});
  write_plan_file(directory_.path(), sample_plan("smoke", {cells[0]}));
  write("tasks/unfinished/checkpoint/step-00000010/COMPLETE");
  std::vector<std::string> results;
  for (const std::string& id : tasks_of(cells[1])) results.push_back("tasks/" + id);
  EXPECT_THAT(found(GarbageSort::result), testing::UnorderedElementsAreArray(results));
  EXPECT_THAT(found(GarbageSort::unfinished), ElementsAre("tasks/unfinished"));
  EXPECT_EQ(find().items.back().bytes, 5u);
}

TEST_F(GarbageTest, WhatANamedTaskBuildsOnStays) {
  const Cell cell = write_sample_results(directory_.path())[0];
  replace_index(directory_.path(), {Cell{"j", "c", {{"after/v2", cell.measures.at("after/v2")}}, {}}});
  const std::vector<std::string> results = found(GarbageSort::result);
  EXPECT_THAT(results, testing::Not(testing::Contains("tasks/" + cell.training.at("sft"))));
  EXPECT_THAT(results, testing::Contains("tasks/" + cell.measures.at("after/heldout")));
}

TEST_F(GarbageTest, CheckpointsOfWhatIsDone) {
  const Cell cell = write_sample_folder(directory_.path())[0];
  write_plan_file(directory_.path(), {"next", {""}, {{"waiting", "stage 1", 0}}});
  const std::string trained = "tasks/" + cell.training.at("sft");
  write(trained + "/checkpoint/step-00000010/COMPLETE");
  write("tasks/waiting/checkpoint/step-00000010/COMPLETE");
  EXPECT_THAT(found(GarbageSort::checkpoint), ElementsAre(trained + "/checkpoint"));
  EXPECT_THAT(found(GarbageSort::unfinished), IsEmpty());
}

TEST_F(GarbageTest, WhatTasksShareStaysWhileOneMayHaveReadIt) {
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  for (const Cell& cell : cells) {
    for (const std::string& id : tasks_of(cell)) make_older(result_path(directory_.path(), id), 1000);
  }
  write("replay/before.json", 2000);
  write("replay/behind.json", 500);
  write("reference/before/step-00000001/COMPLETE", 2000);
  write("reference/behind/step-00000001/COMPLETE", 500);
  EXPECT_THAT(found(GarbageSort::answers), ElementsAre("replay/behind.json"));
  EXPECT_THAT(found(GarbageSort::reference), ElementsAre("reference/behind"));
  // A job that is not done may still read all of it.
  write_plan_file(directory_.path(), {"next", {""}, {{"waiting", "stage 1", 0}}});
  EXPECT_TRUE(find().empty());
}

TEST_F(GarbageTest, TemporaryFilesOfWritersThatAreLongGone) {
  const Cell cell = write_sample_folder(directory_.path())[0];
  const std::string task = "tasks/" + cell.training.at("sft");
  const std::vector<std::string> places = {"index.h5.tmp.node.1", "plans/smoke.json.tmp.node.1",
                                           task + "/adapter/adapter_config.json.tmp.node.1",
                                           task + "/result.h5.tmp.node.1", "replay/key.json.tmp.node.1"};
  for (const std::string& place : places) write(place);
  EXPECT_TRUE(find().empty()) << "they may still be written";
  for (const std::string& place : places) make_older(path(place), 4000);
  EXPECT_THAT(found(GarbageSort::temporary), testing::UnorderedElementsAreArray(places));
}

TEST_F(GarbageTest, SignsOfRunsThatAreGone) {
  write_sample_folder(directory_.path());
  write_stranger(directory_.path(), "gone-1", 300);
  write_stranger(directory_.path(), "alive-1", 1);
  make_directories(leases_directory(directory_.path()));
  write_file(path("leases/t1"), "gone-1\n");
  write_file(path("leases/t2"), "alive-1\n");
  write_file(path("leases/.gone-1.gone"), "gone-1\n");
  EXPECT_THAT(found(GarbageSort::sign),
              UnorderedElementsAre("members/gone-1", "leases/t1", "leases/.gone-1.gone"));
}

TEST_F(GarbageTest, AForgottenJobNamesNothing) {
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  Cell shared = cells[1];
  shared.job = "other";
  shared.measures.erase("after/heldout");
  write_index(directory_.path(), {shared});
  const FolderGarbage garbage = find({{"smoke"}, {}});
  EXPECT_THAT(garbage.forgotten_cells, ElementsAre("smoke/gender-us-real-full", "smoke/race-us-even-full"));
  EXPECT_THAT(found(GarbageSort::plan, {{"smoke"}, {}}), ElementsAre("plans/smoke.json"));
  std::vector<std::string> results = {"tasks/" + cells[1].measures.at("after/heldout")};
  for (const std::string& id : tasks_of(cells[0])) results.push_back("tasks/" + id);
  EXPECT_THAT(found(GarbageSort::result, {{"smoke"}, {}}), testing::UnorderedElementsAreArray(results));

  remove(garbage, {{"smoke"}, {}});
  const std::vector<Cell> left = read_index(directory_.path());
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(tasks_of(left[0]), tasks_of(shared));
  EXPECT_TRUE(read_plan_files(directory_.path()).empty());
  EXPECT_TRUE(find().empty());
}

TEST_F(GarbageTest, WithJobsOnlyTheirLastRunsCount) {
  std::vector<Cell> cells = write_sample_folder(directory_.path());
  Cell other = cells[0];
  other.job = "other";
  write_index(directory_.path(), {other});
  write_plan_file(directory_.path(), sample_plan("other", {other}));
  write_plan_file(directory_.path(), sample_plan("smoke", {cells[1]}));
  const FolderGarbage garbage = find({{}, {"smoke"}});
  EXPECT_THAT(garbage.forgotten_cells, ElementsAre("other/gender-us-real-full", "smoke/gender-us-real-full"));
  EXPECT_EQ(found(GarbageSort::result, {{}, {"smoke"}}).size(), tasks_of(cells[0]).size());
  EXPECT_THAT(found(GarbageSort::plan, {{}, {"smoke"}}), ElementsAre("plans/other.json"));
}

TEST_F(GarbageTest, WhatCannotBeToldIsRefused) {
  EXPECT_THAT(error_of(), HasSubstr("has no jobs"));
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  EXPECT_THAT(error_of({{"smok"}, {}}), HasSubstr("has no job 'smok'; its plans are of: smoke"));
  EXPECT_THAT(error_of({{}, {"smok"}}), HasSubstr("has no plan of a job 'smok'"));
  write_file(result_path(directory_.path(), cells[0].training.at("sft")), "damage");
  EXPECT_THAT(error_of(), HasSubstr("is unknown. Run its job again"));
  write_file(path("index.h5"), "damage");
  EXPECT_THROW(find(), DataError);
}

TEST_F(GarbageTest, ARemovalTakesWhatWasListedAndNothingElse) {
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  const auto before = digests_below(directory_.path());
  write("tasks/listed/result.h5");
  write("tasks/listed/adapter/adapter_config.json");
  write_index(directory_.path(), {});  // now it links to the listed result
  const FolderGarbage listed = find();
  write("tasks/later/adapter/adapter_config.json");
  const FolderGarbage removed = remove(listed);
  ASSERT_EQ(removed.items.size(), 1u);
  EXPECT_EQ(removed.items[0].path, "tasks/listed");
  auto after = digests_below(directory_.path());
  EXPECT_EQ(after.erase("tasks/later/adapter/adapter_config.json"), 1u);
  EXPECT_EQ(after, before) << "the index has lost its link, too";
  EXPECT_FALSE(std::filesystem::exists(path("removed")));
}

TEST_F(GarbageTest, WhatIsNamedMeanwhileStays) {
  const std::vector<Cell> cells = write_sample_folder(directory_.path());
  write("tasks/late/adapter/adapter_config.json");
  const FolderGarbage listed = find();
  write_plan_file(directory_.path(), {"late", {""}, {{"late", "stage 1", 0}}});
  EXPECT_TRUE(remove(listed).items.empty());
  EXPECT_TRUE(std::filesystem::exists(path("tasks/late")));
}

TEST_F(GarbageTest, ALivingMemberForbidsIt) {
  write_sample_folder(directory_.path());
  write("tasks/unfinished/adapter/adapter_config.json");
  const FolderGarbage listed = find();
  Leases run(directory_.path(), "smoke", 60);
  EXPECT_THROW(remove(listed), UserError);
  EXPECT_TRUE(std::filesystem::exists(path("tasks/unfinished")));
  EXPECT_FALSE(run.is_held("gc")) << "it gives back what others wait for";
}

TEST_F(GarbageTest, NothingIsDeletedWhereItCannotBeSetAside) {
  write_sample_folder(directory_.path());
  write("tasks/unfinished/adapter/adapter_config.json");
  write("removed");  // a file where the folder should be
  EXPECT_THROW(remove(find()), UserError);
  EXPECT_TRUE(std::filesystem::exists(path("tasks/unfinished/adapter/adapter_config.json")));
}

TEST_F(GarbageTest, WhatAKilledRemovalLeftGoesWithTheNextOne) {
  write_sample_folder(directory_.path());
  write("removed/node-1-2/0/result.h5");
  const FolderGarbage listed = find();
  EXPECT_THAT(found(GarbageSort::removed), ElementsAre("removed/node-1-2"));
  remove(listed);
  EXPECT_FALSE(std::filesystem::exists(path("removed")));
}

}  // namespace
}  // namespace apportion
