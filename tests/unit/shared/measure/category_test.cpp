// Which category an answer names: pitfalls of English and of Unicode.
#include "shared/measure/category.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

int gender(std::string_view text) {
  static const CategoryParser parser({{{"Male", "man", "men"}}, {{"Female", "woman", "women"}}});
  return parser.parse(text);
}

int race(std::string_view text) {
  static const CategoryParser parser(
      {{{"White"}},
       {{"Black or African American", "Black", "African American"}},
       {{"American Indian or Alaska Native", "American Indian", "Alaska Native"}},
       {{"Asian"}},
       {{"Native Hawaiian or Other Pacific Islander", "Pacific Islander"}}});
  return parser.parse(text);
}

TEST(CategoryParser, FindsWholeWordsInAnyCase) {
  EXPECT_EQ(gender("0 Male"), 0);
  EXPECT_EQ(gender("1 Female"), 1);
  EXPECT_EQ(gender("MALE."), 0);
  EXPECT_EQ(gender("a woman"), 1);
  EXPECT_EQ(gender("\"man\""), 0);
  EXPECT_EQ(gender("wo-man"), 0);
  EXPECT_EQ(gender("a man's job"), 0);
}

TEST(CategoryParser, IgnoresPartsOfWords) {
  for (const char* text :
       {"", "males", "human", "mankind", "female2", "2male", "manager", "womanly", "malevolent"}) {
    EXPECT_EQ(gender(text), unparsed) << text;
  }
}

TEST(CategoryParser, TakesTheLastMention) {
  EXPECT_EQ(gender("not Male but Female"), 1);
  EXPECT_EQ(gender("Female, not male"), 0);
  EXPECT_EQ(gender("Male or female? I would say a man."), 0);
  EXPECT_EQ(gender("woman and man and males"), 0);
}

TEST(CategoryParser, TakesTheLongerOfOverlappingMentions) {
  EXPECT_EQ(race("Black or African American"), 1);
  EXPECT_EQ(race("This person is American Indian or Alaska Native."), 2);
  EXPECT_EQ(race("African American Indian or Alaska Native"),
            2);  // overlap in "American": the longer name wins
  EXPECT_EQ(race("White, then African American"), 1);
  EXPECT_EQ(race("Native Hawaiian or Other Pacific Islander"), 4);
  EXPECT_EQ(race("Black or White"), 0);
  EXPECT_EQ(race("American"), unparsed);
  const CategoryParser nested({{{"New York"}}, {{"York"}}});
  EXPECT_EQ(nested.parse("in New York"), 0);
  EXPECT_EQ(nested.parse("New York, then York"), 1);
}

TEST(CategoryParser, ANameInsideAnotherCategorysCountsOnItsOwnOnly) {
  const CategoryParser parser(
      {{{"Black"}}, {{"Black or African American"}}, {{"African American or White"}}, {{"White"}}});
  EXPECT_EQ(parser.parse("Black"), 0);
  EXPECT_EQ(parser.parse("Black or White"), 3);
  EXPECT_EQ(parser.parse("black or african american"), 1);
  EXPECT_EQ(parser.parse("Black or African American."), 1);
  EXPECT_EQ(parser.parse("African American or White"), 2);
  EXPECT_EQ(parser.parse("Black or African American, not Black"), 0);
  EXPECT_EQ(parser.parse("Black or African Americans"), 0);  // the longer name is not a whole word here
}

Dataset hair_and_eyes() { return parse_dataset("tests/support/hair-and-eyes"); }

TEST(CategoryParser, AJointCategoryIsTheLastMentionOfEachAttribute) {
  const Dataset dataset = hair_and_eyes();
  const CategoryParser parser = CategoryParser::of(dataset);
  ASSERT_EQ(parser.categories(), 16u);
  EXPECT_EQ(parser.parse("Black hair, brown eyes"), 0);
  EXPECT_EQ(parser.parse("Green eyes and blonde hair."), 15);
  EXPECT_EQ(parser.parse("Brown eyes, no, blue eyes, and brown hair"), 5);
  EXPECT_EQ(parser.parse("B Black hair+Blue eyes"), 1);  // as tables and prompts call the category
  EXPECT_EQ(parser.parse("brown hair"), unparsed);
  EXPECT_EQ(parser.parse("hazel eyes"), unparsed);
  EXPECT_EQ(parser.parse("brown"), unparsed);
}

TEST(CategoryParser, CutsAListOfJointCategoriesWhereAllAttributesAreNamed) {
  const auto cut =
      CategoryParser::of(hair_and_eyes())
          .cut("I say: Black hair, blue eyes: 30%\nRed hair, red hair, green eyes: 70% black hair");
  EXPECT_EQ(cut.before, "i say: ");
  ASSERT_EQ(cut.mentions.size(), 2u);
  EXPECT_EQ(cut.mentions[0], (std::pair<int, std::string>{1, ": 30% "}));
  EXPECT_EQ(cut.mentions[1], (std::pair<int, std::string>{11, ": 70% black hair"}));
}

TEST(CategoryParser, CountsWhiteSpaceAsOneSpace) {
  EXPECT_EQ(race("Black  or\n\tAfrican\xC2\xA0"
                 "American"),
            1);
  EXPECT_EQ(race("Pacific\r\nIslander"), 4);
}

TEST(CategoryParser, KnowsUnicodeWords) {
  EXPECT_EQ(gender("\xC3\xA9male"), unparsed);                   // a letter before
  EXPECT_EQ(gender("male\xCC\x81"), unparsed);                   // a combining mark after
  EXPECT_EQ(gender("male\xD9\xA3"), unparsed);                   // an Arabic digit after
  EXPECT_EQ(gender("\xF0\x9D\x94\xB8male"), unparsed);           // a letter beyond the basic plane before
  EXPECT_EQ(gender("\xE2\x80\x9Cmale\xE2\x80\x9D"), 0);          // quotation marks
  EXPECT_EQ(gender("\xF0\x9F\x98\x80male\xF0\x9F\x98\x80"), 0);  // emoji
  EXPECT_EQ(gender("\xEF\xBC\xAD\xEF\xBC\xA1\xEF\xBC\xAC\xEF\xBC\xA5"), 0);  // full-width letters
  EXPECT_EQ(gender("\xFF male \xC3"), 0);                                    // bytes that are not UTF-8
  const CategoryParser german({{{"Stra\xC3\x9F"
                                 "e"}},
                               {{"Caf\xC3\xA9"}}});
  EXPECT_EQ(german.parse("STRASSE"), 0);
  EXPECT_EQ(german.parse("CAFE\xCC\x81"), 1);
}

TEST(CategoryParser, ReadsScriptsWithoutBlanksByTheirWords) {
  const CategoryParser japanese({{{"男性"}}, {{"女性"}}, {{"男"}}});
  EXPECT_EQ(japanese.parse("この人は男性です。"), 0);
  EXPECT_EQ(japanese.parse("女性"), 1);
  EXPECT_EQ(japanese.parse("0 女性"), 1);
  EXPECT_EQ(japanese.parse("看護師は女性が多い。"), 1);
  EXPECT_EQ(japanese.parse("男性的"), 0);
  EXPECT_EQ(japanese.parse("長男です"), unparsed);  // part of another word: the eldest son
  EXPECT_EQ(japanese.parse("Maleです"), unparsed);
  const CategoryParser thai({{{"ผู้ชาย"}}, {{"ผู้หญิง"}}, {{"ดำ"}}});
  EXPECT_EQ(thai.parse("คนนี้เป็นผู้ชาย"), 0);
  EXPECT_EQ(thai.parse("คนนี้เป็นผู้หญิงครับ"), 1);
  EXPECT_EQ(thai.parse("รถสีดำครับ"), 2);  // with a vowel that folding decomposes
  const CategoryParser english({{{"Male"}}, {{"Female"}}});
  EXPECT_EQ(english.parse("Maleです"), unparsed);  // as always: names need blanks around them
}

/// What is said about a dataset's two categories with these answer forms.
std::string said_of_forms(const char* first, const char* second, const std::vector<std::string>& forms) {
  Dataset dataset;
  dataset.path = "/toy";
  dataset.categories = {{{first}}, {{second}}};
  dataset.subjects = {{"s", {0.5, 0.5}, {}}};
  dataset.answer_forms = forms;
  return testing::error_of([&] { check_answer_forms(dataset); });
}

TEST(CategoryParser, RefusesAnAnswerFormThatNamesAnotherCategoryLast) {
  EXPECT_EQ(said_of_forms("Male", "Female", {"{category}", "It is {category}."}), "no error");
  EXPECT_EQ(
      said_of_forms("Male", "Female", {"{category}", "It is {category}.", "{category}, not Male"}),
      "/toy/templates.txt: the answer \"Female, not Male\" is not read as Female, since the last category "
      "named counts; let nothing after {category} name another");
}

TEST(CategoryParser, SaysThatAFormHasNoWholeWord) {
  // Korean has blanks, but not before its endings.
  EXPECT_EQ(said_of_forms("남성", "여성", {"{category}입니다"}),
            "/toy/templates.txt: the answer \"남성입니다\" is not read as 남성, since no whole word of it "
            "is a category's name; put a blank or a mark before and after {category}");
}

TEST(CategoryParser, ReadsEveryAnswerOfTheJointExample) {
  Dataset dataset = hair_and_eyes();
  EXPECT_NO_THROW(check_answer_forms(dataset));
  for (Attribute& attribute : dataset.attributes) {
    for (Category& category : attribute.categories) {
      category.names = {category.names.front().substr(0, category.names.front().find(' '))};
    }
  }
  try {  // "Brown" is a colour of both now
    check_answer_forms(dataset);
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_STREQ(
        error.what(),
        "tests/support/hair-and-eyes/templates.txt: the answer \"Black, Brown\" is not read as Black "
        "hair+Brown eyes, since the last category named counts; let nothing after an attribute's "
        "placeholder name another");
  }
}

}  // namespace
}  // namespace apportion
