// A sweep grouped by some of its keys: means and ranges over the rest, the order of rows, and what is not
// averaged.
#include "coordinator/report/data/pivot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/report/text/text_page.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

CellFigures cell_of(const SweptValues& swept, std::optional<double> exact, uint64_t place = 0) {
  CellFigures cell;
  cell.job = "job";
  for (const auto& [key, value] : swept) cell.name += key + "=" + value + " ";
  cell.swept = swept;
  cell.place = place;
  cell.test_set = "v2";
  cell.readable = exact.has_value();
  cell.exact_error = exact;
  return cell;
}

/// The values of the first key, row by row.
std::vector<std::string> order_of(const std::vector<std::string>& values, bool placed) {
  std::vector<CellFigures> cells;
  for (const std::string& value : values) {
    cells.push_back(cell_of({{"key", value}}, 0.1, cells.size()));
    if (!placed) cells.back().place.reset();
  }
  std::vector<std::string> found;
  for (const PivotRow& row : pivot_by({"key"}, cells, "runs/x").rows) found.push_back(row.values[0]);
  return found;
}

const std::vector<CellFigures> two_targets = {cell_of({{"target", "real"}, {"seed", "0"}}, 0.1, 0),
                                              cell_of({{"target", "real"}, {"seed", "1"}}, 0.4, 1),
                                              cell_of({{"target", "even"}, {"seed", "0"}}, 0.3, 2),
                                              cell_of({{"target", "even"}, {"seed", "1"}}, {}, 3)};

TEST(Pivot, IsTheMeanAndTheRangeOverTheRest) {
  const Pivot pivot = pivot_by({"target"}, two_targets, "runs/x");
  ASSERT_EQ(pivot.rows.size(), 2u);
  EXPECT_EQ(pivot.rows[0].cells, 2u);
  EXPECT_DOUBLE_EQ(pivot.rows[0].figures[0]->mean, 0.25);
  EXPECT_EQ(pivot.rows[0].figures[0]->low, 0.1);
  EXPECT_EQ(pivot.rows[0].figures[0]->high, 0.4);
  EXPECT_FALSE(pivot.rows[0].figures[4]) << "no cell was trained: nothing is known of leaks";
  const Pivot both = pivot_by({"seed", "target"}, two_targets, "runs/x");
  ASSERT_EQ(both.rows.size(), 4u);
  EXPECT_THAT(both.rows[1].values, ElementsAre("0", "even"));
  EXPECT_EQ(both.left_out, 0u);
}

TEST(Pivot, ACellWithoutAResultIsCountedAndNotAveraged) {
  const Pivot pivot = pivot_by({"target"}, two_targets, "runs/x");
  EXPECT_EQ(pivot.rows[1].cells, 2u);
  EXPECT_EQ(pivot.rows[1].figures[0]->cells, 1u);
  EXPECT_DOUBLE_EQ(pivot.rows[1].figures[0]->mean, 0.3);
  EXPECT_THAT(pivot.missing, ElementsAre("target=even seed=1 "));
  const std::string text = text_page("runs/x", {Charset::ascii, Color::off, false}, pivot, {});
  EXPECT_THAT(text, testing::ContainsRegex("real +2 +0\\.250 "));
  EXPECT_THAT(text, HasSubstr(" 0.100..0.400"));
  EXPECT_THAT(text, testing::ContainsRegex("even +2 +0\\.300 \\(1/2\\)"));
  EXPECT_THAT(text,
              HasSubstr("! 1 of the cells above have no result and are in no mean of errors: target=even"));
  EXPECT_THAT(text, Not(HasSubstr("left out")));
}

TEST(Pivot, RowsAreInTheOrderOfTheValues) {
  EXPECT_THAT(order_of({"10", "9", "1e-3", "-2"}, true), ElementsAre("-2", "1e-3", "9", "10"));
  EXPECT_THAT(order_of({"real", "mix 0.5", "even"}, true), ElementsAre("real", "mix 0.5", "even"))
      << "as the sweep has them";
  EXPECT_THAT(order_of({"v10", "v9", "even", "v09"}, false), ElementsAre("even", "v09", "v9", "v10"))
      << "where nobody knows";
  EXPECT_THAT(order_of({"auto", "10", "9"}, false), ElementsAre("9", "10", "auto"));
}

TEST(Pivot, CellsThatHaveNotSweptAKeyAreLeftOutWithALine) {
  std::vector<CellFigures> cells = two_targets;
  cells.push_back(cell_of({{"seed", "0"}}, 0.9));
  cells.push_back(cell_of({}, 0.9));
  const Pivot pivot = pivot_by({"target"}, cells, "runs/x");
  EXPECT_EQ(pivot.rows.size(), 2u);
  EXPECT_EQ(pivot.left_out, 2u);
  EXPECT_THAT(text_page("runs/x", {Charset::ascii, Color::off, false}, pivot, {}),
              HasSubstr("left out: 2 cells, not swept by target\n"));
}

TEST(Pivot, JobsAndTestSetsAreNotAveragedTogether) {
  std::vector<CellFigures> cells = two_targets;
  cells[1].job = "other";
  cells[2].test_set = "v3";
  const Pivot pivot = pivot_by({"target"}, cells, "runs/x");
  EXPECT_EQ(pivot.rows.size(), 4u);
  EXPECT_THAT(text_page("runs/x", {Charset::ascii, Color::off, false}, pivot, {}),
              AllOf(HasSubstr("job "), HasSubstr("test set"), HasSubstr("other")));
}

TEST(Pivot, AKeyThatNobodySweptIsTheUsersError) {
  EXPECT_THAT([] { pivot_by({"sed"}, two_targets, "runs/x"); },
              ThrowsMessage<UserError>("no cell of runs/x has swept 'sed'; did you mean 'seed'? --by takes "
                                       "target, seed"));
  EXPECT_THAT([] { pivot_by({"seed"}, {cell_of({}, 0.1)}, "runs/x"); },
              ThrowsMessage<UserError>("runs/x has no cell of a sweep; --by needs one (docs/sweeps.md)"));
  EXPECT_THAT(
      [] {
        pivot_by({"seed", "method"}, {cell_of({{"seed", "1"}}, 0.1), cell_of({{"method", "full"}}, 0.1)},
                 "runs/x");
      },
      ThrowsMessage<UserError>(HasSubstr("has swept all of seed, method")));
}

}  // namespace
}  // namespace apportion
