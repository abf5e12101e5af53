// The figures of a study, its table, its JSON and its plots, from made-up samples.
#include "coordinator/capacity/study_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "shared/base/file_system.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_study.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::HasSubstr;

/// Weak on 1 and 2 ranks, then strong (4 micro-batches) on 1 and 2 ranks.
std::vector<StudyRow> rows() {
  return sample_study(default_config({{"scale_shapes", "350m"}, {"scale_ranks", "1,2"}}));
}

TEST(StudyFigures, AreOfTheSlowestRankAndTheMiddleStep) {
  const StepFigures f = figures_of(rows()[1]);
  EXPECT_DOUBLE_EQ(f.seconds, 1.1);
  EXPECT_DOUBLE_EQ(f.tokens_per_second(), 2000 / 1.1);
  EXPECT_DOUBLE_EQ(f.peak_flops, 8e9);
  EXPECT_DOUBLE_EQ(f.peak_share(), 1e9 / 1.1 / 8e9);
  ASSERT_TRUE(f.exposed_seconds);
  EXPECT_NEAR(*f.exposed_seconds, 0.1, 1e-12);
  EXPECT_DOUBLE_EQ(f.base_bytes, 2 * 1048576.0);
}

TEST(StudyFigures, EfficiencyIsAgainstTheFirstRowOfTheSameScaling) {
  const auto all = rows();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_DOUBLE_EQ(study_efficiency(all, all[0]), 1);
  EXPECT_NEAR(study_efficiency(all, all[1]), 1 / 1.1, 1e-12);
  EXPECT_DOUBLE_EQ(study_efficiency(all, all[2]), 1);
  EXPECT_NEAR(study_efficiency(all, all[3]), 1 / 1.1, 1e-12);
}

TEST(StudyPage, ShowsARowAPointAndADashWhereNothingCouldBeCompared) {
  auto all = rows();
  EXPECT_THAT(
      study_page(all, {"c.json", {"tokens.svg"}}, {Charset::ascii, Color::off}),
      testing::AllOf(
          HasSubstr("350m   weak         2       1              2     1.1       0.9      1818         91%"),
          HasSubstr("9%       2.0           21        30"), HasSubstr("plan: c.json"),
          HasSubstr("plot: tokens.svg")));
  for (StudyRow& row : all) {
    for (StepSample& sample : row.file.samples) sample.resident_seconds.clear();
  }
  EXPECT_FALSE(figures_of(all[1]).exposed_seconds);
  EXPECT_THAT(study_page(all, {}, {Charset::ascii, Color::off}), HasSubstr("  -       2.0"));
}

TEST(StudyPage, ExpectsAllOfAGpusMemoryWhereItWasForecast) {
  auto all = rows();
  EXPECT_THAT(study_page(all, {}, {Charset::ascii, Color::off}),
              testing::Not(HasSubstr("process MiB  expected")));
  all[0].expected.process_bytes = 4321 * 1048576.0;
  EXPECT_THAT(study_page(all, {}, {Charset::ascii, Color::off}),
              testing::AllOf(HasSubstr("process MiB  expected"), HasSubstr("      4321")));
  EXPECT_EQ(nlohmann::json::parse(study_json(all)).at("rows")[0].at("predicted_process_bytes"),
            4321 * 1048576.0);
}

TEST(StudyPage, JsonHoldsEachRanksFigures) {
  const nlohmann::json json = nlohmann::json::parse(study_json(rows()));
  ASSERT_EQ(json.at("rows").size(), 4u);
  const nlohmann::json& row = json.at("rows")[1];
  EXPECT_EQ(row.at("scaling"), "weak");
  EXPECT_EQ(row.at("base_bytes_by_rank"), nlohmann::json({1048576.0, 2097152.0}));
  EXPECT_NEAR(row.at("exposed_seconds").get<double>(), 0.1, 1e-12);
  EXPECT_EQ(row.at("tensor_bytes_by_rank"), nlohmann::json({20 * 1048576.0, 21 * 1048576.0}));
  EXPECT_EQ(row.at("predicted_seconds"), 0.9);
  EXPECT_EQ(row.at("resident"), "auto");
}

TEST(StudyPage, PlotsHaveALineForEachSeriesOrAreNotClaimed) {
  TemporaryDirectory directory;
  const auto plots = write_plots(rows(), directory.path());
  const std::string data = read_file(directory.path() + "/scaling.dat");
  EXPECT_THAT(data, HasSubstr("\"350m, weak, shards 1\"\n1 1000 1\n2 "));
  EXPECT_THAT(data, HasSubstr("\"350m, strong, shards 1\"\n1 1000 1\n2 "));
  for (const std::string& plot : plots) EXPECT_THAT(read_file(plot), HasSubstr("350m, strong, shards 1"));
  EXPECT_EQ(!plots.empty(), std::filesystem::exists(directory.path() + "/tokens.svg"));
}

}  // namespace
}  // namespace apportion
