// The report from files alone: what it says, what it leaves out, its width, its charsets and its JSON.
#include "coordinator/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "coordinator/report/data/report_data.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_sweep.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A subject's line in the first table that has one.
std::string line_with(const std::string& text, const std::string& start) {
  for (const std::string& line : lines_of(text)) {
    if (line.find(start) != std::string::npos) return line;
  }
  return "";
}

class Report : public testing::Test {
 protected:
  // One cell with the untouched model measured as `before` and the trained one as `after`.
  void write_cell(const SampleModel& before, const SampleModel& after, const SampleSet& set) {
    TrainFile training = sample_training("sft", set.dataset, {});
    const std::string id = training.record.task.id;
    write_train_file(result_path(directory_.path(), id), training);
    Cell cell{"smoke", set.dataset + "-full", {}, {{"sft", id}}};
    for (const auto& [name, file] : {std::pair("before/", sample_measure(set, before, {})),
                                     std::pair("after/", sample_measure(set, after, {id}))}) {
      write_measure_file(result_path(directory_.path(), file.record.task.id), file);
      cell.measures[name + set.test_set] = file.record.task.id;
    }
    write_index(directory_.path(), {cell});
  }

  std::string render(const ReportOptions& options = {}) const {
    return render_report(directory_.path(), options).text;
  }

  TemporaryDirectory directory_;
};

TEST_F(Report, SaysHowManyAnswersAreNoStory) {
  write_cell({0.05, 0, 0.9, 0.03, 0.02}, {0.02, 0, 0.1, 0.03, 0.9}, sample_gender_set("v3"));
  const std::string text = render();
  EXPECT_THAT(line_with(text, "  stories "), HasSubstr("no story"));
  // The `no story` share is about a quarter of the lost rounds.
  EXPECT_THAT(line_with(text, "before, v3"), testing::ContainsRegex("-.* 0\\.2.. +0\\.000 +0\\.[89]"));
  EXPECT_THAT(line_with(text, "after, v3"), testing::ContainsRegex("-.* 0\\.0.. +0\\.000 +0\\.[01]"));
  EXPECT_EQ(line_with(text, "  means "), "") << "nothing but stories was measured";
  const nlohmann::json json = nlohmann::json::parse(render({{}, ReportFormat::json}));
  const nlohmann::json& measure = json["cells"][0]["measures"][0];
  EXPECT_GT(measure["no_story_share"], 0.1);
  EXPECT_GT(measure["unparsed_share"], measure["no_story_share"]);
  EXPECT_TRUE(measure["subjects"][0].contains("no_story_share"));

  write_sample_results(directory_.path());
  EXPECT_EQ(nlohmann::json::parse(render({{}, ReportFormat::json}))["cells"][0]["measures"][0].contains(
                "no_story_share"),
            false);
}

TEST_F(Report, AStorysNumbersAreItsJudges) {
  const MeasureFile measured = sample_measure(sample_gender_set("v3"), {0.02, 0, 0.1, 0.03, 0.9}, {});
  Cell cell{"smoke", "gender-us-real-zero-shot", {{"before/v3", measured.record.task.id}}, {}};
  for (const MeasureFile& file :
       {measured, sample_judged(measured, "lexical"), sample_judged(measured, "some-model")}) {
    write_measure_file(result_path(directory_.path(), file.record.task.id), file);
    if (is_judged(file.record.task))
      cell.judged["before/v3/" + judge_name(file.record.task)] = file.record.task.id;
  }
  write_index(directory_.path(), {cell});
  const std::string text = render();
  EXPECT_THAT(text, testing::ContainsRegex("before, v3 +lexical +0\\.0"));
  EXPECT_THAT(text, testing::ContainsRegex("before, v3 +some-model +0\\.[1-9].* 0\\.[1-9].. +0\\.[1-9]"));
  EXPECT_THAT(line_with(text, "judges lexical and some-model agree on 0."), HasSubstr("Cohen's kappa"));
  EXPECT_THAT(text, HasSubstr("gender-us-real-zero-shot/judged/before/v3/some-model/rounds/counts"));
  for (const std::string& line : lines_of(text)) EXPECT_LE(columns_of(line), 120) << line;
  const nlohmann::json shown = nlohmann::json::parse(render({{}, ReportFormat::json}))["cells"][0];
  ASSERT_EQ(shown["measures"].size(), 2u);
  EXPECT_EQ(shown["measures"][0]["judge"], "lexical");
  EXPECT_EQ(shown["measures"][0]["failed_share"], 0);
  ASSERT_EQ(shown["judges"].size(), 1u);
  EXPECT_GT(shown["judges"][0]["rounds"], 0);
  EXPECT_LT(shown["judges"][0]["kappa"], 1);
  const std::string paper = render({{}, ReportFormat::markdown});
  EXPECT_THAT(paper, testing::ContainsRegex("\\| before, v3 \\| some-model \\| 0\\.[1-9]"));
  EXPECT_THAT(paper, HasSubstr("judges lexical and some-model agree on 0."));
}

TEST_F(Report, SaysWhatTheFilesSay) {
  std::vector<Cell> cells = write_sample_results(directory_.path());
  std::string text = render();
  MeasureFile file = read_measure_file(result_path(directory_.path(), cells[0].measures["after/v2"]));
  DatasetMetrics metrics = metrics_of(file);
  auto number = [](double value) {
    char digits[16];
    std::snprintf(digits, sizeof(digits), "%.3f", value);
    return std::string(digits);
  };
  std::string row = line_with(text, "  registered nurses");
  EXPECT_THAT(row, HasSubstr(" 0.124 "));  // the target
  EXPECT_THAT(row, HasSubstr(number(metrics.subjects[11].observed[0])));
  EXPECT_THAT(row, HasSubstr(number(*metrics.subjects[11].mae) + "  " + number(*metrics.subjects[11].floor)));
  std::string means = line_with(text, "  after, v2");
  for (double value : {*metrics.exact_error, metrics.worst_exact_error, *metrics.exact_error_per_wording,
                       *metrics.mae, *metrics.floor, *metrics.expected_mae, *metrics.kl, metrics.coverage,
                       metrics.unexplored, metrics.unparsed_share}) {
    EXPECT_THAT(means, HasSubstr(number(value)));
  }
  EXPECT_THAT(text, HasSubstr("after, heldout"));
  EXPECT_THAT(text, HasSubstr("stage 2"));
  EXPECT_THAT(text, HasSubstr(directory_.path() + "/index.h5"));
  EXPECT_THAT(text, HasSubstr("apportion export " + directory_.path()));
}

TEST_F(Report, CellsStandSideBySideWhenThereAreSeveral) {
  write_sample_results(directory_.path());
  const std::string text = render();
  EXPECT_THAT(text, HasSubstr("side by side"));
  EXPECT_THAT(line_with(text, "  race-us-even-full"), testing::ContainsRegex("v2  +0\\.[0-9]{3} "));
  TemporaryDirectory other;
  write_sample_cell(other.path(), "gender-us-real");
  EXPECT_THAT(render_report(other.path(), ReportOptions{}).text, Not(HasSubstr("side by side")));
}

TEST_F(Report, CountsTheStepsInWhichZWasClamped) {
  TrainLog log;
  log.z_unclamped = {0, -0.5, 0.25, -1e-9};
  EXPECT_EQ(clamped_steps(log), 2);
  EXPECT_EQ(clamped_steps(TrainLog{}), 0);
}

TEST_F(Report, OfASweepIsALineACellOrARowAValue) {
  const std::vector<Cell> cells =
      write_sample_sweep(directory_.path(), {{"target", {"real", "even"}}, {"seed", {"0", "1"}}});
  EXPECT_THAT(line_with(render(), "real "), HasSubstr("real    0     v2"));
  ReportRequest request{"", {"target"}, {"error > 0.007", "leak > 1"}};
  apportion::Report report = render_report(directory_.path(), {{}, ReportFormat::table, request});
  EXPECT_THAT(line_with(report.text, "  real "), testing::ContainsRegex("real +2 +0\\.0"));
  EXPECT_EQ(report.failures.size(), 3u) << "the first cell is at 0.006";
  for (const std::string& line : lines_of(report.text)) EXPECT_LE(columns_of(line), 120) << line;
  request.by = {"seed", "target"};
  report = render_report(directory_.path(), {{}, ReportFormat::json, request});
  EXPECT_EQ(report.failures.size(), 3u);
  const nlohmann::json json = nlohmann::json::parse(report.text);
  ASSERT_EQ(json["rows"].size(), 4u);
  EXPECT_EQ(json["by"], (nlohmann::json{"seed", "target"}));
  EXPECT_EQ(json["rows"][1]["values"], (nlohmann::json{{"seed", "0"}, {"target", "even"}}));
  const auto figures = render_report(directory_.path(), {{}, ReportFormat::json, {cells[2].name, {}, {}}});
  const nlohmann::json cell = nlohmann::json::parse(figures.text)["cells"][0];
  EXPECT_EQ(json["rows"][1]["exact_error"]["mean"], cell["measures"][1]["exact_error"]);
  EXPECT_EQ(json["rows"][1]["added_leak"]["high"], cell["retention"]["unrelated"]["added_leak"]);
  EXPECT_EQ(json["rows"][1]["exact_error"]["cells"], 1);
}

TEST_F(Report, OfOneCellLooksAtNoOther) {
  const std::vector<Cell> cells = write_sample_sweep(directory_.path(), {{"seed", {"0", "1"}}});
  write_file(result_path(directory_.path(), cells[1].measures.at("after/v2")), "damaged");
  const ReportOptions one{{}, ReportFormat::table, {"seed=0", {}, {"error > 0.02"}}};
  apportion::Report report = render_report(directory_.path(), one);
  EXPECT_TRUE(report.problems.empty() && report.failures.empty());
  report = render_report(directory_.path(), {{}, ReportFormat::table, {"", {}, {"error > 0.02"}}});
  EXPECT_EQ(report.problems.size(), 1u);
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0], HasSubstr("sweep/seed=1: --fail-if 'error > 0.02': there is no "));
  EXPECT_THAT(line_with(report.text, "  1     v2"), testing::ContainsRegex("v2 +- +- +- +- +0\\."));
  report = render_report(directory_.path(), {{}, ReportFormat::json, {"", {"seed"}, {}}});
  EXPECT_EQ(nlohmann::json::parse(report.text)["missing"], nlohmann::json{"seed=1"});
  EXPECT_EQ(nlohmann::json::parse(report.text)["problems"].size(), 1u);
}

TEST_F(Report, FitsThePageInBothCharsets) {
  write_cell({0.05, 0.6, 0.3, 0.03, 0.02}, {0.02, 0, 0.1, 0.7, 0.9}, sample_race_set("heldout"));
  write_sample_results(directory_.path());
  for (Charset charset : {Charset::unicode, Charset::ascii}) {
    ReportOptions options;
    options.style.charset = charset;
    for (const std::string& line : lines_of(render(options))) {
      const bool has_path = line.find(directory_.path()) != std::string::npos;
      EXPECT_TRUE(has_path || columns_of(line) <= 120) << line;
      if (charset == Charset::unicode) continue;
      for (char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << line;
    }
  }
}

TEST_F(Report, AShareOfFewerThanHalfOfTheRoundsIsADash) {
  SampleSet set = sample_gender_set("v2");
  write_cell({0.01, 0, 0.9, 0.03, 0.02}, {0.01, 0, 0, 0.9999, 1}, set);
  std::string row = line_with(render(), "  registered nurses");
  // Target and after are bars with numbers; before is a dash.
  EXPECT_THAT(row, testing::ContainsRegex("0\\.124 +-  "));
}

TEST_F(Report, WhatIsUnexploredIsADash) {
  SampleSet set = sample_gender_set("v2");
  write_cell({}, {0.01, 0, 0, 0.3, 1}, set);
  EXPECT_THAT(line_with(render(), "  registered nurses"), testing::ContainsRegex(" -      -  0\\."));
  EXPECT_THAT(line_with(render(), "  after, v2"), testing::ContainsRegex("v2  +-      -            -  0\\."));
}

TEST_F(Report, LooseBoundsAreAnInterval) {
  write_cell({}, {0.01, 0, 0, 0.9, 1}, sample_gender_set("v2"));
  EXPECT_THAT(line_with(render(), "  lawyers"), testing::ContainsRegex("\\[0\\.[0-9]{3}, 0\\.[0-9]{3}\\]"));
  write_cell({}, {0.01, 0, 0, 0.9, 1}, sample_race_set("v2"));
  std::string text = render();
  EXPECT_THAT(text, HasSubstr(" ±.050"));
}

TEST_F(Report, ColourOnlyWhenAskedFor) {
  write_sample_results(directory_.path());
  EXPECT_THAT(render(), Not(HasSubstr("\x1b")));
  ReportOptions options;
  options.style.color = Color::on;
  EXPECT_THAT(render(options), HasSubstr("\x1b[32m"));
}

TEST_F(Report, NamesFromFilesCannotDriveTheTerminal) {
  SampleSet set = sample_gender_set("v2");
  set.subjects[0] = "\x1b[2Jevil\nline";
  set.subjects[1] = "photo\u202Egpj.exe";
  write_cell({}, {}, set);
  std::string text = render();
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("?[2Jevil?line"));
  EXPECT_THAT(text, HasSubstr("photo?gpj.exe"));
}

TEST_F(Report, NamesADamagedFileAndShowsTheRest) {
  std::vector<Cell> cells = write_sample_results(directory_.path());
  write_file(result_path(directory_.path(), cells[0].measures["before/v2"]), "damaged");
  std::filesystem::remove(result_path(directory_.path(), cells[0].training["sft"]));
  std::string text = render();
  EXPECT_THAT(text, HasSubstr("! before/v2: "));
  EXPECT_THAT(text, HasSubstr("! sft: "));
  EXPECT_THAT(text, HasSubstr("  after, v2"));
}

TEST_F(Report, AnUntouchedModelHasNoAfter) {
  MeasureFile file = sample_measure(sample_gender_set("v2"), {}, {});
  write_measure_file(result_path(directory_.path(), file.record.task.id), file);
  std::string text = render();
  EXPECT_THAT(text, HasSubstr("before, v2"));
  EXPECT_THAT(text, Not(HasSubstr("after, v2")));
}

TEST_F(Report, TheMethodIsTheCellsWhoeverMeasuredItFirst) {
  const MeasureFile file =
      sample_measure(sample_gender_set("v2"), {}, {});  // measured by a job of method full
  write_measure_file(result_path(directory_.path(), file.record.task.id), file);
  write_index(directory_.path(),
              {{"smoke", "gender-us-real-zero-shot", {{"before/v2", file.record.task.id}}, {}}});
  EXPECT_THAT(render(), HasSubstr("zero-shot"));
  ReportOptions options;
  options.format = ReportFormat::json;
  EXPECT_EQ(nlohmann::json::parse(render(options))["cells"][0]["method"], "zero-shot");
}

TEST_F(Report, UnknownTargetsHaveNoErrors) {
  SampleSet set = sample_gender_set("ood");
  MeasureFile file = sample_measure(set, {}, {});
  file.tables.target[0].clear();
  write_measure_file(result_path(directory_.path(), file.record.task.id), file);
  EXPECT_THAT(line_with(render(), "  accountants"), testing::ContainsRegex("auditors +-  "));
  EXPECT_THAT(line_with(render(), "  before, ood"), HasSubstr("(13/14)"));
}

TEST_F(Report, JsonHasEveryNumber) {
  std::vector<Cell> cells = write_sample_results(directory_.path());
  ReportOptions options;
  options.format = ReportFormat::json;
  nlohmann::json json = nlohmann::json::parse(render(options));
  ASSERT_EQ(json["cells"].size(), 2u);
  EXPECT_EQ(json["cells"][0]["dataset"], "gender-us-real");
  const nlohmann::json& before = json["cells"][0]["measures"][0];
  EXPECT_EQ(before["when"], "before");
  EXPECT_TRUE(before["exact_error"].is_null());
  const nlohmann::json& after = json["cells"][0]["measures"][1];
  DatasetMetrics metrics =
      metrics_of(read_measure_file(result_path(directory_.path(), cells[0].measures["after/v2"])));
  EXPECT_EQ(after["mae"].get<double>(), *metrics.mae);
  EXPECT_EQ(after["subjects"][3]["exact_low"].get<std::vector<double>>(), metrics.subjects[3].exact_low);
  EXPECT_EQ(json["cells"][0]["training"][1]["steps"], 30);
}

TEST_F(Report, AnEmptyDirectoryIsTheUsersError) { EXPECT_THROW(render(), UserError); }

}  // namespace
}  // namespace apportion
