// --fail-if: what a condition is, which cells meet one, and that what cannot be judged has not passed.
#include "coordinator/report/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CellFigures whole_cell() {
  CellFigures cell;
  cell.job = "job";
  cell.name = "seed=0";
  cell.when = "after";
  cell.test_set = "v2";
  cell.exact_error = 0.03;
  cell.worst = 0.05;
  cell.mae = 0.04;
  cell.leak = 0.002;
  cell.kl = 0.03;
  cell.perplexity = 1.01;
  cell.subjects = cell.with_exact = cell.with_mae = 14;
  return cell;
}

std::vector<std::string> failures(const std::string& condition, const CellFigures& cell) {
  return failures_of({parse_condition(condition)}, {cell});
}

std::string error_of(const std::string& text) {
  try {
    parse_condition(text);
  } catch (const UserError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "no error";
}

TEST(Gate, EachOperatorHasItsSide) {
  CellFigures cell = whole_cell();
  cell.mae = 0.5;
  for (const auto& [condition, fails] : std::vector<std::pair<std::string, bool>>{{"mae > 0.5", false},
                                                                                  {"mae >= 0.5", true},
                                                                                  {"mae < 0.5", false},
                                                                                  {"mae <= 0.5", true},
                                                                                  {"mae>0.49", true},
                                                                                  {" mae <5.1e-1 ", true}}) {
    EXPECT_EQ(failures(condition, cell).size(), fails ? 1u : 0u) << condition;
  }
}

TEST(Gate, ALineNamesCellValueAndLimit) {
  EXPECT_THAT(
      failures("error > 0.02", whole_cell()),
      ElementsAre(
          "job/seed=0: --fail-if 'error > 0.02': the exact error (after, v2) is 0.03, the limit 0.02"));
  for (const auto& [metric, value] : std::vector<std::pair<std::string, std::string>>{
           {"worst", "0.05"}, {"mae", "0.04"}, {"leak", "0.002"}, {"kl", "0.03"}, {"perplexity", "1.01"}}) {
    EXPECT_THAT(failures(metric + " > 0", whole_cell()),
                ElementsAre(HasSubstr(" is " + value + ", the limit 0")));
    EXPECT_THAT(failures(metric + " > 2", whole_cell()), IsEmpty());
  }
}

TEST(Gate, WhereNothingIsExactTheErrorIsTheMaeAndSaysSo) {
  CellFigures cell = whole_cell();
  cell.exact_error.reset();
  cell.with_exact = 0;
  EXPECT_THAT(failures("error > 0.03", cell), ElementsAre(HasSubstr("the MAE (after, v2) is 0.04")));
  EXPECT_THAT(failures("error > 0.04", cell), IsEmpty());
  cell.exact_error = 0.001;  // only over subjects that are easy to explore
  cell.with_exact = 3;
  EXPECT_THAT(failures("error > 0.03", cell), ElementsAre(HasSubstr("the MAE (after, v2) is 0.04")));
}

TEST(Gate, WhatCannotBeJudgedHasNotPassed) {
  CellFigures none;
  none.job = "job";
  none.name = "lost";
  for (const std::string& metric : gate_metrics())
    EXPECT_THAT(failures(metric + " > 1000", none), ElementsAre(HasSubstr("job/lost: ")));
  EXPECT_THAT(failures("leak > 1", none), ElementsAre(HasSubstr("there is no leak added")));
  none.when = "after";
  none.test_set = "v2";
  EXPECT_THAT(failures("error > 1", none),
              ElementsAre(HasSubstr("there is no exact error and no MAE (after, v2)")));
  CellFigures some = whole_cell();
  some.with_exact = some.with_mae = 13;
  EXPECT_THAT(failures("error > 1", some),
              ElementsAre(HasSubstr("the exact error (after, v2) is known for only 13 of 14 subjects")));
  EXPECT_THAT(failures("worst > 1", some), ElementsAre(HasSubstr("13 of 14")));
}

TEST(Gate, EveryCellIsHeldToEveryCondition) {
  CellFigures other = whole_cell();
  other.name = "seed=1";
  other.exact_error = 0.001;
  const auto found =
      failures_of({parse_condition("error > 0.02"), parse_condition("kl >= 0.03")}, {whole_cell(), other});
  EXPECT_THAT(found, ElementsAre(AllOf(HasSubstr("seed=0"), HasSubstr("error >")),
                                 AllOf(HasSubstr("seed=0"), HasSubstr("kl >=")),
                                 AllOf(HasSubstr("seed=1"), HasSubstr("kl >="))));
}

TEST(Gate, MistakesSayWhatWouldBeRight) {
  EXPECT_EQ(
      error_of("eror > 0.02"),
      "command line: --fail-if 'eror > 0.02': there is no metric 'eror'; did you mean 'error'? There are "
      "error, worst, mae, leak, kl, perplexity");
  for (const char* text : {"", "error", "> 0.1", "error > ", "error > 2%", "error > nan", "error > 0.1 0.2",
                           "error == 0.1", "error != 0.1", "error => 0.1", "error >> 1"}) {
    EXPECT_THAT(error_of(text), AllOf(HasSubstr("command line: --fail-if '"), HasSubstr("'error > 0.02'")))
        << text;
  }
}

}  // namespace
}  // namespace apportion
