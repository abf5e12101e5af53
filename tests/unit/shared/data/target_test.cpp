// The key `target`: its texts, and what it makes of a dataset's shares.
#include "shared/data/target.h"

#include <gtest/gtest.h>

#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;
using Shares = std::vector<double>;

class Target : public ::testing::Test {
 protected:
  Target() {
    folder_.write("paint/templates.txt",
                  "[categories]\n0 = red\n1 = blue\n[answers]\n{category}\n[train]\nPaint of {a_thing}?\n");
    folder_.write("paint/targets.csv", "subject,red,blue,@thing\nball,1,3,ball\ncube,2,2,cube\n");
    folder_.write("paint/ood.csv", "subject,red,blue,@thing\nlamp,9,1,lamp\nroof,,,roof\n");
  }

  Dataset with(const std::string& text) {
    DataConfig data;
    data.dataset = folder_.path_of("paint");
    EXPECT_TRUE(parse_target(text, data.target)) << text;
    return load_dataset(data);
  }

  std::string refusal_of(const std::string& table) {
    const std::string path = folder_.write("other.csv", table);
    const std::string message = error_of([&] { with(path); });
    return message.starts_with(path) ? message.substr(path.size()) : message;
  }

  DatasetFolder folder_;
};

TEST_F(Target, TextsParseAndPrintToThemselves) {
  for (const char* text :
       {"real", "even", "0.9/0.1", "0.2/0.3/0.5", "mix 0.25", "mix 0", "mix 1", "a/b.csv"}) {
    TargetConfig target;
    ASSERT_TRUE(parse_target(text, target)) << text;
    EXPECT_EQ(print_target(target), text);
  }
  for (const char* text : {"", "Real", "0.9", "0.9/0.2", "0.9/0.1/", "1.5/-0.5", "0.9 / 0.1", "nan/1", "mix",
                           "mix ", "mix 1.1", "mix -0.1", "mix a", "table.txt", "a#b.csv"}) {
    TargetConfig target;
    target.kind = TargetKind::mix;
    EXPECT_FALSE(parse_target(text, target)) << text;
    EXPECT_EQ(target.kind, TargetKind::mix) << "a refused text must change nothing: " << text;
  }
}

TEST_F(Target, OfItsOwnTableIsTheDatasetItself) {
  EXPECT_EQ(with("real").training_digest(), parse_dataset(folder_.path_of("paint")).training_digest());
  EXPECT_NE(with("even").training_digest(), with("real").training_digest());
}

TEST_F(Target, IsGivenToEverySubject) {
  for (const auto& [text, shares] : {std::pair("even", Shares{0.5, 0.5}), {"0.9/0.1", Shares{0.9, 0.1}}}) {
    const Dataset dataset = with(text);
    for (const auto* subjects : {&dataset.subjects, &dataset.ood_subjects}) {
      ASSERT_EQ(subjects->size(), 2U);
      for (const Subject& subject : *subjects) EXPECT_EQ(subject.target, shares) << text << subject.name;
    }
  }
}

TEST_F(Target, IsMixedWithEvenShares) {
  EXPECT_EQ(with("mix 0").subjects[0].target, (Shares{0.25, 0.75}));
  EXPECT_EQ(with("mix 0.5").subjects[0].target, (Shares{0.375, 0.625}));
  EXPECT_EQ(with("mix 1").subjects[0].target, (Shares{0.5, 0.5}));
  EXPECT_EQ(with("mix 0.5").ood_subjects[0].target, (Shares{0.7, 0.3}));
  EXPECT_TRUE(with("mix 0.5").ood_subjects[1].target.empty()) << "what is unknown stays so";
}

TEST_F(Target, OfATableIsTakenBySubject) {
  const Dataset dataset = with(folder_.write("t.csv", "subject,red,blue\ncube,1,0\nball,3,1\nroof,1,1\n"));
  EXPECT_EQ(dataset.subjects[0].target, (Shares{0.75, 0.25}));
  EXPECT_EQ(dataset.subjects[1].target, (Shares{1, 0}));
  EXPECT_EQ(dataset.ood_subjects[0].target, (Shares{0.9, 0.1})) << "a row that is not there changes nothing";
  EXPECT_EQ(dataset.ood_subjects[1].target, (Shares{0.5, 0.5}));
}

TEST_F(Target, ThatDoesNotFitIsRefused) {
  EXPECT_EQ(error_of([&] { with("0.2/0.3/0.5"); }),
            "target = 0.2/0.3/0.5 has 3 shares, and " + folder_.path_of("paint") +
                " has 2 categories; give one share for each, in this order: red, blue");
  EXPECT_EQ(refusal_of("subject,red,blue\nball,1,1\n"), " has no row for subject \"cube\" of " +
                                                            folder_.path_of("paint") +
                                                            "; a target needs one for each of its 2");
  EXPECT_EQ(refusal_of("subject,red,blue\nbell,1,1\n"),
            ", line 2: subject \"bell\" is not one of " + folder_.path_of("paint") + "'s; remove the row");
  EXPECT_EQ(refusal_of("subject,red,blue\nball,1,1\nball,1,2\n"),
            ", line 3: subject \"ball\" is there already; give each subject one row");
  EXPECT_NE(refusal_of("subject,blue,red\nball,1,1\n").find(", line 1: column 2 is not \"red\""),
            std::string::npos);
  EXPECT_NE(refusal_of("subject,red,blue\nball,,\n").find(", line 2: the row has no numbers"),
            std::string::npos);
}

}  // namespace
}  // namespace apportion
