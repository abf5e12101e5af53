// A whole run with workers that compute nothing: running again is free, and what is damaged or forced is
// redone.
#include "coordinator/job.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "coordinator/recorder.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/command/command_line.h"
#include "shared/data/dataset.h"
#include "shared/store/index.h"
#include "tests/support/fake_workers.h"
#include "tests/support/sample_results.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

class JobTest : public testing::Test {
 protected:
  JobTest() {
    write_small_job(directory_.path());
    config_ = small_job(directory_.path(), directory_.path() + "/results");
  }

  /// Runs the job on two ranks; returns its report.
  std::string run() {
    Dataset dataset = parse_dataset(config_.data.dataset);
    FakeJob job = {config_.output.directory, make_tables(dataset, config_.data, config_.measure.test_sets),
                   9};
    MemoryLinks links(2);
    FakeWorkers workers(links, 2, job);
    testing::internal::CaptureStdout();
    std::string report;
    try {
      JobEnvironment environment;
      environment.name = "colours";
      environment.ranks = 2;
      run_job(links.coordinator(), {{"", {}, config_}}, environment);
      report = testing::internal::GetCapturedStdout();
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    tasks_run_ = workers.group_count();
    return report;
  }

  std::map<std::string, std::string> measures() const {
    return read_index(config_.output.directory).at(0).measures;
  }

  TemporaryDirectory directory_;
  RunConfig config_;
  int tasks_run_ = 0;
};

TEST_F(JobTest, RunsEverythingAndFillsTheIndex) {
  EXPECT_FALSE(run().empty());
  EXPECT_EQ(tasks_run_, 5);
  Cell cell = read_index(config_.output.directory).at(0);
  EXPECT_EQ(cell.job, "colours");
  EXPECT_EQ(cell.name, "colours-full");
  EXPECT_EQ(cell.measures.size(), 3u);
  EXPECT_EQ(cell.training.size(), 2u);
}

TEST_F(JobTest, AgainIsFreeAndPrintsTheSameReport) {
  std::string first = run();
  std::string second = run();
  EXPECT_EQ(tasks_run_, 0);
  EXPECT_EQ(first, second);
}

TEST_F(JobTest, ForceDoesEverythingAgain) {
  run();
  config_.output.force = true;
  run();
  EXPECT_EQ(tasks_run_, 5);
}

TEST_F(JobTest, OnlyWhatIsDamagedOrMissingIsDoneAgain) {
  std::string report = run();
  std::string damaged = result_path(config_.output.directory, measures().at("after/v2"));
  std::string bytes = read_file(damaged);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(damaged, bytes);
  testing::internal::CaptureStderr();
  EXPECT_EQ(run(), report);
  std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_EQ(tasks_run_, 1);
  EXPECT_NE(warning.find("after, v2 is computed again"), std::string::npos) << warning;

  std::filesystem::remove(result_path(config_.output.directory, measures().at("before/v2")));
  EXPECT_EQ(run(), report);
  EXPECT_EQ(tasks_run_, 1);
}

TEST_F(JobTest, AFinishedTasksCheckpointsAreRemoved) {
  run();
  const Cell cell = read_index(config_.output.directory).at(0);
  const std::string folder = checkpoint_directory(config_.output.directory, cell.training.at("sft"));
  // As left by a run that ended between writing the result and removing the checkpoint.
  make_directories(folder + "/step-00000002");
  run();
  EXPECT_EQ(tasks_run_, 0);
  EXPECT_FALSE(std::filesystem::exists(folder));
  // As left by a stage whose result comes only now.
  make_directories(folder + "/step-00000002");
  std::filesystem::remove(result_path(config_.output.directory, cell.training.at("sft")));
  run();
  EXPECT_EQ(tasks_run_, 1);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(JobTest, StoriesAreJudgedOnceAllIsMeasured) {
  const std::string templates = config_.data.dataset + "/templates.txt";
  write_file(templates, read_file(templates) + "[v3]\nTell a story of {a_thing}.\n[judge]\n0 = crimson\n");
  config_.measure.test_sets = {"v3"};
  const std::string report = run();
  EXPECT_EQ(tasks_run_, 4) << "ranks judge nothing";
  const Cell cell = read_index(config_.output.directory).at(0);
  ASSERT_EQ(cell.judged.size(), 2u);
  EXPECT_EQ(run(), report);
  EXPECT_EQ(tasks_run_, 0);
  // Other words make another judge of the same stories.
  write_file(templates, read_file(templates) + "1 = azure\n");
  run();
  EXPECT_EQ(tasks_run_, 0);
  EXPECT_EQ(read_index(config_.output.directory).at(0).measures, cell.measures);
  EXPECT_NE(read_index(config_.output.directory).at(0).judged, cell.judged);
}

TEST_F(JobTest, ATestSetWithoutWordingsIsTheUsersMistake) {
  config_.measure.test_sets = {"v3"};
  EXPECT_THROW(run(), UserError);
}

/// The scripts of tests/system run the program on these files: APPORTION_SMALL_JOB names the folder.
TEST(SmallJob, IsWrittenForSystemTests) {
  TemporaryDirectory temporary;
  const char* wanted = std::getenv("APPORTION_SMALL_JOB");
  std::string folder = wanted ? wanted : temporary.path();
  write_small_job(folder);
  std::string job_file = folder + "/small.ini";
  const char* arguments[] = {"apportion", "run", job_file.c_str(), "--output", "somewhere"};
  CommandLine line = parse_command_line(5, arguments);
  for (const auto& [key, value] : {std::pair("shard_size", "1"), std::pair("recompute", "never")})
    resolve_option(line.config, key, value);  // as the program does before it runs a job
  EXPECT_EQ(line.config.resolved, small_job(folder, "somewhere").resolved);
  EXPECT_EQ(parse_dataset(line.config.data.dataset).subjects.size(), 3u);
}

}  // namespace
}  // namespace apportion
