// A cell's figures, read from only the files they follow from, equal those of the whole cell.
#include "coordinator/report/data/cell_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_results.h"
#include "tests/support/sample_sweep.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void expect_equal(const CellFigures& a, const CellFigures& b) {
  EXPECT_EQ(a.swept, b.swept);
  EXPECT_EQ(a.place, b.place);
  EXPECT_EQ(a.when + a.test_set, b.when + b.test_set);
  EXPECT_EQ(a.readable, b.readable);
  for (const FigureColumn& column : figure_columns())
    EXPECT_EQ(a.*column.value, b.*column.value) << column.metric.name;
  EXPECT_EQ(a.subjects, b.subjects);
  EXPECT_EQ(a.with_exact, b.with_exact);
  EXPECT_EQ(a.with_mae, b.with_mae);
}

TEST(CellFigures, FewFilesSayWhatAllOfThemSay) {
  TemporaryDirectory directory;
  write_sample_sweep(directory.path(), {{"target", {"real", "even"}}, {"seed", {"0", "1"}}});
  const std::vector<Cell> cells = read_index(directory.path());
  const std::vector<CellFigures> figures = load_figures(directory.path(), cells);
  ASSERT_EQ(figures.size(), 4u);
  for (size_t i = 0; i < cells.size(); ++i)
    expect_equal(figures[i], figures_of(load_cell(directory.path(), cells[i])));
  EXPECT_EQ(figures[0].name, "target=even, seed=0");
  EXPECT_EQ(figures[0].place, 2u);
  EXPECT_EQ(figures[0].when, "after");
  EXPECT_EQ(figures[0].subjects, 14);
  EXPECT_GT(*figures[1].exact_error, *figures[0].exact_error);
  EXPECT_GT(*figures[1].leak, 0);
}

TEST(CellFigures, OfAnUntouchedModelAreItsOwnTargets) {
  TemporaryDirectory directory;
  SampleSet set = sample_gender_set("v2");
  MeasureFile file = sample_measure(set, {}, {});
  for (auto& row : file.tables.target) row.clear();
  const std::string path = result_path(directory.path(), file.record.task.id);
  write_measure_file(path, file);
  Cell cell{"job", "cell", {{"before/v2", file.record.task.id}}, {}};
  cell.about = {"d", "zero-shot", "m", "even", {{"target", "even"}}, {{"v2", set.target}}};
  const CellFigures figures = load_figures(directory.path(), {cell})[0];
  expect_equal(figures, figures_of(load_cell(directory.path(), cell)));
  EXPECT_EQ(figures.subjects, 14);
  EXPECT_TRUE(figures.mae);
  cell.about.targets.clear();
  EXPECT_EQ(load_figures(directory.path(), {cell})[0].subjects, 0);
  EXPECT_FALSE(load_figures(directory.path(), {cell})[0].floor) << "no target, no floor";
}

TEST(CellFigures, OfStoriesAreTheLexicalJudges) {
  TemporaryDirectory directory;
  const MeasureFile measured = sample_measure(sample_gender_set("v3"), {0.02, 0, 0.1, 0.03, 0.9}, {});
  Cell cell{"job", "cell", {{"before/v3", measured.record.task.id}}, {}};
  for (const MeasureFile& file :
       {measured, sample_judged(measured, "lexical"), sample_judged(measured, "another")}) {
    write_measure_file(result_path(directory.path(), file.record.task.id), file);
    if (is_judged(file.record.task))
      cell.judged["before/v3/" + judge_name(file.record.task)] = file.record.task.id;
  }
  EXPECT_EQ(headline_of(cell)->judge, "lexical");
  expect_equal(load_figures(directory.path(), {cell})[0], figures_of(load_cell(directory.path(), cell)));
  Cell other = cell;
  other.judged.erase("before/v3/lexical");
  const CellFigures figures = load_figures(directory.path(), {other})[0];
  expect_equal(figures, figures_of(load_cell(directory.path(), other)));
  EXPECT_GT(*figures.mae, 0.1) << "of the judge whose judgements fail";
}

// If the trained model's error cannot be read, the untouched model's must not appear in its place.
TEST(CellFigures, ADamagedResultHasNoOtherInItsPlace) {
  TemporaryDirectory directory;
  std::vector<Cell> cells = write_sample_sweep(directory.path(), {{"seed", {"0", "1"}}});
  write_file(result_path(directory.path(), cells[0].measures["after/v2"]), "damaged");
  std::filesystem::remove(result_path(directory.path(), cells[1].retention));
  const std::vector<CellFigures> figures = load_figures(directory.path(), cells);
  EXPECT_FALSE(figures[0].readable);
  EXPECT_FALSE(figures[0].mae || figures[0].exact_error || figures[0].worst || figures[0].floor);
  EXPECT_EQ(figures[0].test_set, "v2");
  EXPECT_TRUE(figures[0].leak);
  EXPECT_THAT(figures[0].problems, ElementsAre(HasSubstr("after/v2: ")));
  EXPECT_TRUE(figures[1].exact_error);
  EXPECT_FALSE(figures[1].leak);
  EXPECT_THAT(problems_of(figures),
              ElementsAre(HasSubstr("seed=0, after/v2: "), HasSubstr("seed=1, retention: ")));
  EXPECT_EQ(load_cell(directory.path(), cells[0]).headline(), nullptr);
  cells[1].measures.erase("after/v2");
  EXPECT_FALSE(load_figures(directory.path(), cells)[1].mae) << "nor where the index does not know it";
}

std::string cache_of(const TemporaryDirectory& directory) { return directory.path() + "/figures.json"; }

TEST(CellFigures, WhatIsKeptIsWhatWasReadAndOnlyOfFilesThatHaveNotChanged) {
  TemporaryDirectory directory;
  std::vector<Cell> cells =
      write_sample_sweep(directory.path(), {{"target", {"real", "even"}}, {"seed", {"0"}}});
  const std::vector<CellFigures> read = load_figures(directory.path(), cells);
  const std::string kept = read_file(cache_of(directory));
  const std::vector<CellFigures> again = load_figures(directory.path(), cells);
  for (size_t i = 0; i < cells.size(); ++i) expect_equal(again[i], read[i]);
  EXPECT_EQ(read_file(cache_of(directory)), kept);
  // A changed target in the index, and a changed result of the same size, are read again.
  SampleSet set = sample_gender_set("v2");
  Cell cell{"job", "cell", {{"before/v2", "untouched"}}, {}};
  MeasureFile file = sample_measure(set, {}, {});
  const std::string path = result_path(directory.path(), "untouched");
  for (auto& row : file.tables.target) row.clear();
  write_measure_file(path, file);
  cell.about.targets = {{"v2", set.target}};
  const double first = *load_figures(directory.path(), {cell})[0].mae;
  cell.about.targets["v2"].assign(set.target.size(), {1, 0});
  const double other = *load_figures(directory.path(), {cell})[0].mae;
  EXPECT_NE(first, other);
  const std::string bytes = read_file(path);
  write_file(path, "damaged" + bytes.substr(7));
  EXPECT_FALSE(load_figures(directory.path(), {cell})[0].readable);
  write_file(path, bytes);
  EXPECT_EQ(*load_figures(directory.path(), {cell})[0].mae, other);
  std::filesystem::remove(path);
  EXPECT_FALSE(load_figures(directory.path(), {cell})[0].readable);
}

TEST(CellFigures, WhatARunKeepsAsItGoesIsWhatAReportWouldRead) {
  TemporaryDirectory directory;
  const std::vector<Cell> cells = write_sample_sweep(directory.path(), {{"seed", {"0", "1", "2"}}});
  load_figures(directory.path(), cells);
  const std::string kept = read_file(cache_of(directory));
  std::filesystem::remove(cache_of(directory));
  size_t pulses = 0;
  keep_figures(directory.path(), {cells[0], cells[2]}, [&] { ++pulses; });
  EXPECT_NE(read_file(cache_of(directory)), kept);
  keep_figures(directory.path(), {cells[1]}, [&] { ++pulses; });
  EXPECT_EQ(read_file(cache_of(directory)), kept) << "those of the cells before stay";
  EXPECT_EQ(pulses, 3U);
}

TEST(CellFigures, ADamagedCacheCostsTimeAlone) {
  TemporaryDirectory directory;
  const std::vector<Cell> cells = write_sample_sweep(directory.path(), {{"seed", {"0"}}});
  const CellFigures read = load_figures(directory.path(), cells)[0];
  const std::string kept = read_file(cache_of(directory));
  for (const std::string& damaged :
       {std::string(), std::string("{"), std::string("[]"), kept.substr(0, kept.size() / 2),
        std::string(R"({"format":"apportion figures 1","cells":{"a":3}})")}) {
    write_file(cache_of(directory), damaged);
    expect_equal(load_figures(directory.path(), cells)[0], read);
    EXPECT_EQ(read_file(cache_of(directory)), kept);
  }
  std::filesystem::remove(cache_of(directory));
  std::filesystem::create_directory(cache_of(directory));
  expect_equal(load_figures(directory.path(), cells)[0], read);
}

// tests/system/use/sweep_report_test.py and page_test.py run the program on what this writes.
TEST(CellFigures, WritesASampleSweepForTheProgram) {
  TemporaryDirectory temporary;
  const char *wanted = std::getenv("APPORTION_SAMPLE_SWEEP"), *more = std::getenv("APPORTION_SAMPLE_SEEDS");
  const std::string directory = wanted ? wanted : temporary.path();
  std::vector<std::string> seeds;
  for (int seed = 0; seed < (more ? std::atoi(more) : 3); ++seed) seeds.push_back(std::to_string(seed));
  make_directories(directory);
  EXPECT_EQ(write_sample_sweep(directory, {{"target", {"real", "0.9/0.1"}}, {"seed", seeds}}).size(),
            2 * seeds.size());
}

TEST(CellFigures, WhatIsAMeanOverNothingIsNotKnown) {
  CellView view;
  view.retention = RetentionFile{};
  view.retention->result.prompts = {{"near: people", "Who?", 10, 0.5, 0.01, 0.21}};
  const CellFigures figures = figures_of(view);
  EXPECT_FALSE(figures.leak || figures.kl || figures.perplexity);
  EXPECT_EQ(figures.test_set, "");
}

}  // namespace
}  // namespace apportion
