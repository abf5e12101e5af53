// A study's figures, table, JSON and page, from made-up samples.
#include "coordinator/capacity/study_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "coordinator/capacity/study_html.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_study.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::HasSubstr;

/// Weak scaling on 1 and 2 ranks, then strong scaling (4 micro-batches) on 1 and 2 ranks.
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
      study_page(all, {"c.json", "scaling.html"}, {Charset::ascii, Color::off}),
      testing::AllOf(
          HasSubstr("350m   weak         2       1              2     1.1       0.9      1818         91%"),
          HasSubstr("9%       2.0           21        30"), HasSubstr("plan: c.json"),
          HasSubstr("page with charts: scaling.html")));
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

TEST(StudyView, HasALineForEachSeries) {
  const std::vector<StudyLine> lines = study_lines(rows(), Scaling::strong);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].name, "350m, shards 1");
  ASSERT_EQ(lines[0].tokens_per_second.size(), 2u);
  EXPECT_EQ(lines[0].tokens_per_second[0], (std::pair<double, double>{1, 1000}));
  EXPECT_EQ(lines[0].tokens_per_second[1].first, 2);
  EXPECT_NEAR(lines[0].efficiency[1].second, 1 / 1.1, 1e-12);
}

TEST(StudyView, SaysHowEfficientTheMostRanksAre) {
  EXPECT_EQ(study_asked(rows()),
            "how fast training steps of 350m are on 1, 2 ranks, in weak and strong scaling.");
  EXPECT_THAT(
      study_outcome(rows()),
      HasSubstr("weak scaling keeps 91% of the tokens/s per rank on 2 ranks, strong scaling keeps 91%"));
  const auto one = sample_study(default_config({{"scale_shapes", "350m"}, {"scale_ranks", "1"}}));
  EXPECT_THAT(study_outcome(one), testing::StartsWith("steps took "));
}

TEST(StudyHtml, DrawsEachLineAndNamesEachFile) {
  const auto all = rows();
  const std::string page = study_html(all, "runs/<study>");
  EXPECT_THAT(page, HasSubstr("Tokens per second, weak scaling"));
  EXPECT_THAT(page, HasSubstr("350m, shards 1: 1000 on 1, 1818 on 2 ranks;"));
  EXPECT_THAT(page, HasSubstr(all[3].point.task.id));
  EXPECT_THAT(page, testing::Not(HasSubstr("<study>")));
}

}  // namespace
}  // namespace apportion
