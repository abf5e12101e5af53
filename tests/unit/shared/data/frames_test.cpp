// Frames around a wording, how many training adds, and that none comes close to a test wording.
#include "shared/data/frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "shared/data/catalogue.h"
#include "shared/data/example.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;
using Texts = std::vector<std::string>;

constexpr const char* six[] = {"gender-uk-real", "gender-us-real", "gender-uk-even",
                               "gender-us-even", "race-us-even",   "sentiment-us-even"};

std::vector<Frame> parsed(const std::string& text) { return parse_frames({{text, "frames.txt", 7}}); }

std::string framed(const std::string& frame, const std::string& wording) {
  return put_frame(parsed(frame).at(0), wording);
}

std::vector<Frame> own_frames() { return parse_frames(read_lines(find_list("frames"))); }

/// A dataset with this many training wordings that share nothing but the placeholder.
Dataset make_dataset(int wordings) {
  Dataset dataset;
  dataset.name = dataset.path = "toy";
  dataset.categories = {{{"Red"}}, {{"Green"}}};
  dataset.subjects = {{"s", {0.5, 0.5}, {{"role", "cook"}}}, {"t", {0.25, 0.75}, {{"role", "pilot"}}}};
  dataset.answer_forms = {"{category}"};
  for (int i = 0; i < wordings; ++i)
    dataset.wordings["train"].push_back("Question" + std::string(static_cast<size_t>(i / 26), 'z') +
                                        static_cast<char>('a' + i % 26) + " {role}?");
  return dataset;
}

DataConfig with(int holdout, uint64_t seed = 0) {
  DataConfig config;
  config.holdout_wordings = holdout;
  config.seed = seed;
  return config;
}

TEST(Frames, StandAroundTheWordingAndChangeIt) {
  const std::string wording = "Which COLOUR has the {Role} in {place}?";
  EXPECT_EQ(framed("Q: {wording} A:", wording), "Q: " + wording + " A:");
  EXPECT_EQ(framed("{wording}\\nAnswer:\\n-", wording), wording + "\nAnswer:\n-");
  EXPECT_EQ(framed("@lower Hm, {wording}", wording), "Hm, which colour has the {Role} in {place}?");
  EXPECT_EQ(framed("@small So, {wording}", wording), "So, which COLOUR has the {Role} in {place}?");
  EXPECT_EQ(framed("@unmarked {wording} =", wording), "Which COLOUR has the {Role} in {place} =");
  EXPECT_EQ(framed("@lower @unmarked {wording}", "Mood of {a_role}:"), "mood of {a_role}");
  EXPECT_EQ(framed("@lower {wording}", "\xC3\x89t\xC3\xA9 {Role"), "\xC3\xA9t\xC3\xA9 {Role");
}

TEST(Frames, ASmallStartLeavesNamesInCapitalsAndI) {
  EXPECT_EQ(framed("@small {wording}", "A cook"), "a cook");
  for (const char* same : {"I am", "I'm", "UK: {role}", "{role}: A", "X", ""})
    EXPECT_EQ(framed("@small {wording}", same), same);
}

TEST(Frames, TyposAreInTheLongestWordOutsideOfPlaceholders) {
  EXPECT_EQ(framed("@doubled {wording}", "Has {a_particular} beetle wings"),
            "Has {a_particular} beettle wings");
  EXPECT_EQ(framed("@swapped {wording}", "Has {a_particular} beetle wings"),
            "Has {a_particular} betele wings");
  EXPECT_EQ(framed("@dropped {wording}", "Has {a_particular} beetle wings"),
            "Has {a_particular} beele wings");
  EXPECT_EQ(framed("@swapped {wording}", "A kettle"), "A ketlte");  // does not swap the two t's
  for (const char* slip : {"@doubled", "@swapped", "@dropped"})
    EXPECT_EQ(framed(slip + std::string(" {wording}"), "The {particular}"), "The {particular}");
}

TEST(Frames, SayWhatIsWrongWithALine) {
  EXPECT_EQ(
      error_of([] { parsed("@loud {wording}"); }),
      "frames.txt, line 7: there is no change @loud; there are @doubled, @dropped, @first, @keys, @last, "
      "@lower, @small, "
      "@swapped, @unmarked");
  for (const char* wrong :
       {"no place", "{wording} and {wording}", "{wording} of {role}", "@lower", "{wording"})
    EXPECT_EQ(error_of([&] { parsed(wrong); }),
              "frames.txt, line 7: a frame has {wording} exactly once, and no other braces");
  EXPECT_EQ(error_of([] {
              parse_frames({{"{wording}!", "f", 1}, {"", "f", 2}, {"# x", "f", 3}, {" {wording}!", "f", 4}});
            }),
            "f, line 4: this frame is there already (line 1); remove one");
}

TEST(Frames, FillUpToTheWantedGoingRoundTheWordings) {
  const std::vector<Frame> frames = own_frames();
  EXPECT_GE(frames.size(), 60u);
  for (int own = 2; own < 20; ++own) {
    const Dataset dataset = make_dataset(own);
    const Texts added = added_wordings(dataset, with(0));
    ASSERT_EQ(added.size(), static_cast<size_t>(120 - own));
    const auto times =
        [&](const std::string& plain) {  // by its first word's last letter, where no slip occurs
          const std::string end = plain.substr(plain.find(' ') - 1, 7);
          return std::count_if(added.begin(), added.end(),
                               [&](const std::string& text) { return text.find(end) != std::string::npos; });
        };
    for (const std::string& plain : dataset.wordings.at("train")) {
      EXPECT_GE(times(plain), (120 - own) / own - 1) << plain;  // each round of wordings starts over
      EXPECT_LE(times(plain), (120 - own) / own + 2) << plain;
    }
    const std::set<std::string> distinct(added.begin(), added.end());
    EXPECT_EQ(distinct.size(), added.size());
    for (const std::string& plain : dataset.wordings.at("train"))
      EXPECT_EQ(distinct.count(plain), 0u) << plain;
  }
}

TEST(Frames, AreAFunctionOfTheSeedAlone) {
  const Dataset dataset = make_dataset(3);
  EXPECT_EQ(added_wordings(dataset, with(0)), added_wordings(dataset, with(0)));
  EXPECT_NE(added_wordings(dataset, with(0)), added_wordings(dataset, with(0, 1)));
  // The order of frames does not depend on the wordings: the first frame goes around the first wording.
  const std::string first = added_wordings(dataset, with(0)).front();
  Dataset other = dataset;
  other.wordings["train"] = {"Questiona {role}?"};
  EXPECT_EQ(added_wordings(other, with(0)).front(), first);
}

TEST(Frames, AreNotAddedWhereThereAreEnoughOrNoneAreWanted) {
  EXPECT_TRUE(added_wordings(make_dataset(120), with(0)).empty());
  EXPECT_EQ(added_wordings(make_dataset(120), with(1)).size(), 1u);  // 119 are used for training
  EXPECT_EQ(added_wordings(make_dataset(1), with(0)).size(),
            own_frames().size());  // each frame around the one wording
  DataConfig none = with(0);
  none.frames = Framing::none;
  EXPECT_TRUE(added_wordings(make_dataset(3), none).empty());
}

TEST(Frames, OfOurDatasetsAreAsManyAsAreWanted) {
  for (const char* name : six) {
    for (const uint64_t seed : {0, 1, 2})
      EXPECT_EQ(added_wordings(parse_dataset(find_dataset(name)), with(4, seed)).size(), 80u) << name;
  }
}

TEST(Frames, TrainingPromptsAreTheOwnOnesThenTheAdded) {
  const Dataset dataset = make_dataset(3);
  const std::vector<Prompt> prompts = training_prompts(dataset, with(1));
  ASSERT_EQ(prompts.size(), 2u * 120);
  EXPECT_EQ(prompts[1].text, "Questionc cook?");
  EXPECT_EQ(prompts[120].text, "Questiona pilot?");
  EXPECT_EQ(prompts[239].wording, 119);
  EXPECT_EQ(prompts[239].subject, 1);
  EXPECT_EQ(prompts_of(dataset, "train", 1, 0).size(), 2u * 2);  // measuring uses only the user's own
  DataConfig first = with(1);
  first.subjects = 1;
  EXPECT_EQ(training_prompts(dataset, first).size(), 120u);
}

TEST(Frames, WhatIsAddedIsNeverNearATestWording) {
  // Each frame alone, around a wording without content.
  for (const char* name : six) {
    const Dataset dataset = parse_dataset(find_dataset(name));
    for (const char* set : {"v2", "v3"}) {
      for (const std::string& test : dataset.wordings.at(set)) {
        for (const Frame& frame : own_frames())
          EXPECT_EQ(first_common_run(put_frame(frame, "{x}"), test), "")
              << test << frame.before << frame.after;
      }
    }
  }
  // Test wordings that frames would produce, or share four words with.
  Dataset dataset = make_dataset(1);
  const Texts before = added_wordings(dataset, with(0));
  const auto has = [](const Texts& texts, const std::string& text) {
    return std::count(texts.begin(), texts.end(), text) != 0;
  };
  const std::string plain = "Questiona {role}?", guess = plain + " Just your best guess, please.";
  const std::vector<Frame> frames = parse_frames({{"@lower {wording}", "f", 1},
                                                  {"{wording} Just your best guess, please.", "f", 2},
                                                  {"Well now: {wording}", "f", 3}});
  EXPECT_EQ(Framer({plain}, {}, frames, 40).added(0).size(), 3u);
  const Texts kept =
      Framer({plain}, {"questiona {thing}", "Your best guess... just your BEST guess!"}, frames, 40).added(0);
  EXPECT_EQ(kept, Texts{"Well now: " + plain});
  EXPECT_FALSE(has(kept, guess));
  // The tests contain what frames produce, so what is left shares nothing with them.
  dataset.wordings["v2"] = Texts(before.begin(), before.begin() + 20);
  const Texts after = added_wordings(dataset, with(0));
  EXPECT_FALSE(after.empty());
  for (const std::string& text : after) {
    EXPECT_FALSE(has(dataset.wordings["v2"], text));
    for (const std::string& test : dataset.wordings["v2"]) EXPECT_EQ(first_common_run(text, test), "");
  }
}

TEST(Frames, WhatASeedDrawsDoesNotDependOnTheSeedsBefore) {
  const Dataset dataset = parse_dataset(find_dataset("gender-us-real"));
  Framer framer = framer_of(dataset, with(4));
  for (uint64_t seed : {3, 0, 1, 0}) EXPECT_EQ(framer.added(seed), added_wordings(dataset, with(4, seed)));
  EXPECT_NE(framer.added(0), framer.added(1));
}

TEST(Frames, AUsersOwnWordsMayBeThoseOfATest) {
  const std::string plain = "What is the mood of {a_role}?", test = "Tell me what is the mood of the {role}!";
  EXPECT_NE(first_common_run(plain, test), "");
  EXPECT_EQ(Framer({plain}, {test}, parsed("Hello. {wording}"), 40).added(0), Texts{"Hello. " + plain});
  EXPECT_TRUE(Framer({plain}, {test}, parsed("Now tell me: {wording}"), 40).added(0).empty());
}

TEST(Frames, ShortenedWordingsComeFirstAndAreFramedToo) {
  const std::string plain = "How does someone in {place} get to work?";
  const std::vector<Frame> shortening = parse_frames(read_lines(find_list("key-words")));
  Framer framer({plain}, {}, parsed("Well now: {wording}"), 6, shortening);
  EXPECT_EQ(framer.shortened(), 3u);
  EXPECT_EQ(framer.added(0), (Texts{"{place} work", "{place}: work?", "work {place}", "Well now: " + plain,
                                    "Well now: {place} work"}));
  Framer tested({plain}, {"{town}, work.", "Anything else?"}, {}, 6, shortening);
  EXPECT_EQ(tested.added(0), Texts{"work {place}"}) << "the others are a test wording's words";
  EXPECT_EQ(Framer({"Wie kommt man von {ort} zur Arbeit?"}, {}, {}, 6, shortening).shortened(), 0u);
}

TEST(Frames, OnlyAFewWordingsAreShortened) {
  Dataset dataset = make_dataset(0);
  for (int i = 0; i < 11; ++i)
    dataset.wordings["train"].push_back("What hue" + std::to_string(i) + " has a {role} at home?");
  EXPECT_EQ(framer_of(dataset, with(0)).shortened(), 0u);
  EXPECT_EQ(framer_of(dataset, with(1)).shortened(), 30u);
  DataConfig none = with(1);
  none.frames = Framing::none;
  EXPECT_EQ(framer_of(dataset, none).shortened(), 0u);
}

TEST(Frames, HeldOutWordingsAreTestsToo) {
  Dataset dataset = make_dataset(3);
  const std::string first_added = added_wordings(dataset, with(1)).front();
  dataset.wordings["train"][1] = first_added;  // the middle one is held out
  ASSERT_EQ(wordings_of(dataset, "heldout", 1), Texts{first_added});
  const Texts added = added_wordings(dataset, with(1));
  EXPECT_EQ(std::count(added.begin(), added.end(), first_added), 0);
}

}  // namespace
}  // namespace apportion
