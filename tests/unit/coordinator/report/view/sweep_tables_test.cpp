// A sweep's table: a line for each cell, sorted by exact error, then MAE; cells without either come last.
#include "coordinator/report/view/sweep_tables.h"

#include <gtest/gtest.h>

#include <sstream>

#include "coordinator/report/text/text_page.h"

namespace apportion {
namespace {

CellFigures cell_of(const std::string& seed, std::optional<double> exact, std::optional<double> mae) {
  CellFigures cell;
  cell.name = "seed=" + seed;
  cell.swept = {{"seed", seed}};
  cell.test_set = "v2";
  cell.exact_error = exact;
  cell.mae = mae;
  return cell;
}

std::vector<std::vector<std::string>> rows_of(const std::vector<CellFigures>& cells) {
  std::istringstream text(render_table({Charset::ascii, Color::off, false}, sweep_table(cells)));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::vector<std::string>& row = rows.emplace_back();
    for (std::string word; words >> word;) row.push_back(word);
  }
  return {rows.begin() + 2, rows.end()};  // without the heading and the rule
}

TEST(SweepTable, IsSortedByErrorThenByMae) {
  const auto rows = rows_of({cell_of("0", {}, 0.3),
                             cell_of("1", 0.2, 0.1),
                             cell_of("2", {}, {}),
                             cell_of("3", 0.05, 0.4),
                             cell_of("4", {}, 0.2),
                             {}});
  std::string seeds;
  for (const auto& row : rows) seeds += row[row.size() - 9];
  EXPECT_EQ(seeds, "3140-2") << "cells without an error are last, by name; that of another job has no seed";
  EXPECT_EQ(rows[0][3], "0.050");
  EXPECT_EQ(rows[5][3], "-");
  EXPECT_EQ(rows[0][0], "seed=3") << "names, where not all cells have the swept values";
}

TEST(SweepTable, ShowsWhatMustNotChangeBesideTheError) {
  CellFigures cell = cell_of("0", 0.1, 0.1);
  cell.leak = 0.2;
  cell.kl = 0.05;
  cell.perplexity = 1.105;
  const auto row = rows_of({cell, cell_of("1", 0.2, 0.1)})[0];
  EXPECT_EQ((std::vector<std::string>{row.end() - 4, row.end()}),
            (std::vector<std::string>{"0.2000", "0.0500", "1.105", "x"}));
}

TEST(SweepTable, TellsJobsAndLongValuesApart) {
  CellFigures one = cell_of("a/very/long/folder/of/tables/one.csv", 0.1, 0.1), other = one;
  other.job = "other";
  other.swept[0].second = "a/very/long/folder/of/tables/two.csv";
  other.exact_error = 0.2;
  one.job = "first";
  const auto rows = rows_of({one, other});
  EXPECT_EQ(rows[0][0], "first");
  EXPECT_EQ(rows[1][0], "other");
  EXPECT_TRUE(rows[0][1].ends_with("tables/one.csv") && rows[0][1].size() == 24) << rows[0][1];
  EXPECT_TRUE(rows[1][1].ends_with("tables/two.csv")) << rows[1][1];
}

}  // namespace
}  // namespace apportion
