// A wording's key words, and where its placeholders go.
#include "shared/data/key_words.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(KeyWords, AreWhatIsNoFunctionWord) {
  EXPECT_EQ(key_words_of("How does someone who lives in {place} get to work?"), "lives {place} work");
  EXPECT_EQ(key_words_of("Car, bus or on foot: what does {A_role} take?"), "car bus foot {A_role} take");
  EXPECT_EQ(key_words_of("What is the mother-in-law's café in {place}"), "mother-in-law café {place}");
  EXPECT_EQ(key_words_of("“What’s the usual shift of {a_role} — in the UK?”"), "usual shift {a_role} UK");
  EXPECT_EQ(key_words_of("What is the {role}'s usual shift - 'day' or 'night'?"),
            "{role} usual shift day night");
  EXPECT_EQ(key_words_of("Who is in IT at {place}?"), "IT {place}");
}

TEST(KeyWords, AreNoneWhereNothingIsLeftOutOrNothingStays) {
  for (const char* none : {"Commute {place}", "Wie kommt man von {ort} zur Arbeit?", "What is {a_role}?",
                           "Wie kommt jemand in {ort} zur Arbeit?", "Was ist das für ein Beruf in {ort}?",
                           "What is {a_role} — ?", "{place}", "", "{", "的{place}"})
    EXPECT_EQ(key_words_of(none), "") << none;
}

TEST(KeyWords, HaveTheirPlaceholdersAtEitherEnd) {
  EXPECT_EQ(with_placeholders_first("lives {place} work {role}"), "{place} {role}: lives work");
  EXPECT_EQ(with_placeholders_last("lives {place} work"), "lives work {place}");
  for (const char* text : {"lives work", "{place}", ""}) {
    EXPECT_EQ(with_placeholders_first(text), "") << text;
    EXPECT_EQ(with_placeholders_last(text), "") << text;
  }
}

}  // namespace
}  // namespace apportion
