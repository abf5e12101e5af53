// Which category a story is about, judged by its words.
#include "shared/measure/lexical_judge.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

Dataset people() {
  Dataset dataset;
  dataset.categories = {{{"Male", "man", "men"}, {"he", "him", "his", "himself"}},
                        {{"Female", "woman", "women"}, {"she", "her", "hers", "herself"}}};
  return dataset;
}

int judged(std::string_view text) {
  static const LexicalJudge judge(people());
  return judge.judge(text);
}

TEST(LexicalJudge, ReadsPronounsAndNames) {
  EXPECT_EQ(judged("Sam opened the shop. He was tired."), 0);
  EXPECT_EQ(judged("HER day began at six."), 1);
  EXPECT_EQ(judged("She's late."), 1);
  EXPECT_EQ(judged("A woman works here."), 1);
  EXPECT_EQ(judged("Sam opened the shop and they were tired."), unparsed);
  EXPECT_EQ(judged(""), unparsed);
}

TEST(LexicalJudge, ReadsWholeWordsOnly) {
  EXPECT_EQ(judged("The sheriff there saw the history of hers"), 1);
  EXPECT_EQ(judged("The sheriff there saw this chef"), unparsed);
}

TEST(LexicalJudge, MostMentionsCount) {
  EXPECT_EQ(judged("She helped a man. He thanked her, and she went home."), 1);
  EXPECT_EQ(judged("Her brother said that he and his men would come."), 0);
  EXPECT_EQ(judged("She gave her coat to him"), 1);  // the last mention does not decide
}

TEST(LexicalJudge, OfEquallyManyTheFirstCounts) {
  EXPECT_EQ(judged("She met him."), 1);
  EXPECT_EQ(judged("He met her."), 0);
  EXPECT_EQ(judged("He met her; she met him."), 0);
}

TEST(LexicalJudge, ReadsAttributesOfAJointDatasetApart) {
  const Dataset dataset = parse_dataset("tests/support/hair-and-eyes");
  const LexicalJudge judge(dataset);
  EXPECT_EQ(judge.judge("Red hair? Black hair and brown eyes. I like black hair."), 0);
  EXPECT_EQ(judge.judge("Black hair."), unparsed);
}

TEST(LexicalJudge, ItsIdentityHoldsItsWords) {
  Dataset dataset = people();
  const nlohmann::json identity = LexicalJudge::identity(dataset);
  EXPECT_EQ(identity.at("name"), "lexical");
  dataset.categories[1].judge_words.emplace_back("lady");
  EXPECT_NE(LexicalJudge::identity(dataset), identity);
}

/// Answers are read without judge words: earlier measurements and task ids stay valid.
TEST(LexicalJudge, ItsWordsAreNoneOfTheDatasets) {
  Dataset dataset = people();
  const std::string digest = dataset.training_digest();
  for (Category& category : dataset.categories) category.judge_words.clear();
  EXPECT_EQ(dataset.training_digest(), digest);
  EXPECT_EQ(CategoryParser::of(people()).parse("she"), unparsed);
  for (const char* name : {"gender-us-real", "gender-us-even", "gender-uk-real", "gender-uk-even"}) {
    const Dataset given = parse_dataset(std::string("jobs/datasets/") + name);
    ASSERT_EQ(given.categories.size(), 2U);
    EXPECT_EQ(given.categories[0].judge_words, people().categories[0].judge_words) << name;
    EXPECT_EQ(given.categories[1].judge_words, people().categories[1].judge_words) << name;
  }
}

TEST(PromptNames, AreSeenInAStory) {
  const PromptNames names(people());
  EXPECT_TRUE(names.are_in("Hi, I'm male. He laughed.", 0));
  EXPECT_TRUE(names.are_in("She was called Male, or Female.", 0));
  EXPECT_FALSE(names.are_in("He and his female assistant", 0)) << "the name of another category";
  EXPECT_FALSE(names.are_in("A man at work: he paints males and a malestrom.", 0));
  Dataset dataset = people();
  dataset.categories[0].judge_words.clear();
  EXPECT_FALSE(PromptNames(dataset).are_in("He was Male.", 0)) << "nothing else tells that category";
}

TEST(PromptNames, OfAJointCategoryAreItsAttributes) {
  Dataset dataset = parse_dataset("tests/support/hair-and-eyes");
  EXPECT_FALSE(PromptNames(dataset).are_in("brown eyes", 4)) << "without judge words";
  for (Attribute& attribute : dataset.attributes) {
    for (Category& category : attribute.categories) category.judge_words = {category.names.front() + "ish"};
  }
  const PromptNames names(dataset);  // category 4: brown hair, brown eyes
  EXPECT_TRUE(names.are_in("Someone with brown eyes", 4));
  EXPECT_TRUE(names.are_in("Someone with brown hair", 4));
  EXPECT_FALSE(names.are_in("Someone with red hair and green eyes", 4));
}

}  // namespace
}  // namespace apportion
