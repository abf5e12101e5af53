// The tasks that plans and cells name, and everything those build on, by the results' own records.
#include "coordinator/folder/named_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

std::set<std::string> ids_of(const std::map<std::string, NamedTask>& named) {
  std::set<std::string> ids;
  for (const auto& [id, task] : named) ids.insert(id);
  return ids;
}

TEST(NamedTasks, AreThoseOfPlansAndCells) {
  TemporaryDirectory directory;
  const std::vector<Cell> cells = write_sample_folder(directory.path());
  write_plan_file(directory.path(), {"other", {""}, {{"not-yet-done", "stage 1", 0}}});
  const auto named = named_tasks(directory.path(), read_folder_jobs(directory.path()));
  std::set<std::string> expected = tasks_of(cells[0]);
  expected.merge(tasks_of(cells[1]));
  expected.insert("not-yet-done");
  EXPECT_EQ(ids_of(named), expected);
  EXPECT_FALSE(named.at("not-yet-done").finished || named.at("not-yet-done").by_cell);
  const NamedTask& trained = named.at(cells[0].training.at("sft"));
  EXPECT_TRUE(trained.finished && trained.by_cell && trained.reads_answers && trained.reads_reference);
  const NamedTask& measured = named.at(cells[0].measures.at("after/v2"));
  EXPECT_TRUE(measured.finished && !measured.reads_answers && !measured.reads_reference);
}

TEST(NamedTasks, InputsOfInputsAreNamed) {
  TemporaryDirectory directory;
  const Cell whole = write_sample_results(directory.path())[0];
  const std::string& after = whole.measures.at("after/v2");
  const auto by_cell = named_tasks(directory.path(), {{}, {Cell{"j", "c", {{"after/v2", after}}, {}}}});
  const std::set<std::string> expected = {after, whole.training.at("calibrate"), whole.training.at("sft")};
  EXPECT_EQ(ids_of(by_cell), expected);
  EXPECT_FALSE(by_cell.at(whole.training.at("sft")).by_cell);
  const auto by_plan = named_tasks(directory.path(), {{{"j", {""}, {{after, "after", 0}}}}, {}});
  EXPECT_EQ(ids_of(by_plan), expected);
}

TEST(NamedTasks, ADamagedResultIsToldWhereItIsNamed) {
  TemporaryDirectory directory;
  const std::vector<Cell> cells = write_sample_results(directory.path());
  write_file(result_path(directory.path(), cells[0].measures.at("after/v2")), "no result");
  EXPECT_THROW(named_tasks(directory.path(), {{}, {cells[0]}}), DataError);
  EXPECT_NO_THROW(named_tasks(directory.path(), {{}, {cells[1]}}));
}

TEST(NamedTasks, ResultsOfAStudyAreNamedByThemselves) {
  TemporaryDirectory directory;
  ScaleFile file;
  file.record.task = sample_task("scale", "2 ranks", "", {}, "");
  StepSample sample;
  sample.seconds = sample.resident_seconds = {1, 2};
  file.samples = {sample};
  write_scale_file(result_path(directory.path(), file.record.task.id), file);
  EXPECT_TRUE(named_tasks(directory.path(), {}).at(file.record.task.id).finished);
}

}  // namespace
}  // namespace apportion
