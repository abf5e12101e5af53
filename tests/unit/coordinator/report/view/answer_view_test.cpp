// Distinct answers over subjects and wordings: merged, counted, those without a category first.
#include "coordinator/report/view/answer_view.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

MeasureFile answers_file() {
  MeasureFile file;
  file.tables.categories = {"red", "blue"};
  PromptResult one, two;
  one.subject = 0;
  one.counts = {5, 0, 2, 1};
  one.answers = {{0, 5, std::log(0.5), Finish::end, "0 red"},
                 {-1, 2, std::log(0.2), Finish::end, "who knows"},
                 {-1, 1, std::log(0.1), Finish::cut, "It is a"}};
  two.subject = 1;
  two.counts = {7, 3, 0, 0};
  two.answers = {{0, 4, std::log(0.3), Finish::end, "0 red"}, {1, 3, std::log(0.2), Finish::end, "1 blue"}};
  two.unlisted_answers = 2;
  two.unlisted = {3, 0, 0, 0, 0, 0};
  file.result = {2, 1, 2, {one, two}};
  return file;
}

TEST(AnswerView, JoinsAndOrders) {
  const AnswerList list = answers_of(answers_file(), 10);
  ASSERT_EQ(list.shown.size(), 4u);
  EXPECT_EQ(list.shown[0].text, "who knows");
  EXPECT_EQ(list.shown[1].text, "It is a");
  EXPECT_EQ(list.shown[2].text, "0 red");
  EXPECT_EQ(list.shown[2].rounds, 9u);
  EXPECT_EQ(list.shown[2].subjects, 2);
  EXPECT_NEAR(list.shown[2].probability, 0.4, 1e-12);
  EXPECT_EQ(list.rounds, 18u);
  EXPECT_EQ(list.others, 2u) << "those that the file does not list";
  EXPECT_EQ(list.other_rounds, 3u);
  const TableView table = answer_table(list, {"red", "blue"});
  EXPECT_EQ(table.rows[0][1].text, "none");
  EXPECT_EQ(table.rows[1][1].text, "cut");
  EXPECT_EQ(table.rows[3][1].text, "blue");
}

TEST(AnswerView, CountsWhatItDoesNotShow) {
  const AnswerList list = answers_of(answers_file(), 1);
  ASSERT_EQ(list.shown.size(), 2u) << "one of each kind";
  EXPECT_EQ(list.others, 4u);
  EXPECT_EQ(list.other_rounds, 7u);
}

}  // namespace
}  // namespace apportion
