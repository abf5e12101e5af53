// Names of datasets and models, and the six datasets that come with the program: their targets, that their
// test wordings are the given ones, and that no training wording leaks one of those.
#include "shared/data/catalogue.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/data/csv.h"
#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/data/frames.h"
#include "shared/data/story_prompts.h"
#include "shared/measure/category.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

struct Expected {
  const char* name;
  size_t categories, subjects, ood_subjects;
};
constexpr std::array<Expected, 6> six = {{{"gender-uk-real", 2, 25, 7},
                                          {"gender-us-real", 2, 14, 12},
                                          {"gender-uk-even", 2, 25, 7},
                                          {"gender-us-even", 2, 14, 12},
                                          {"race-us-even", 5, 14, 12},
                                          {"sentiment-us-even", 3, 14, 12}}};

std::string common(const std::string& file) { return find_dataset("gender-us-real") + "/../common/" + file; }

TEST(Catalogue, TheLeakTestCanFail) {
  EXPECT_EQ(first_common_run("Well, ONE word only, the...", "One word only: the gender of {a_role}"),
            "one word only the");
  EXPECT_EQ(first_common_run("the gender, {country} of a", "gender of {a_role} in"), "");
  EXPECT_EQ(first_common_run("say gender {x} in one", "{country}: {role}. Gender in one word"), "");
  EXPECT_EQ(first_common_run("gender {x} in one word", "gender, in {y} one word"), "gender in one word");
  EXPECT_EQ(first_common_run("The race of {a_role}?", "Only the race of {role}"), "the race of {}");
}

TEST(Catalogue, NoTrainingWordingLeaksATestWording) {
  size_t compared = 0;
  for (const Expected& tested : six) {
    const Dataset other = parse_dataset(find_dataset(tested.name));
    for (const Expected& trained : six) {
      const Dataset dataset = parse_dataset(find_dataset(trained.name));
      std::vector<std::string> all = dataset.wordings.at("train");
      for (const std::string& line : dataset.wordings.at("stories")) {
        all.push_back(story_wording(line).neutral);
        all.push_back(story_wording(line).named);
      }
      for (const std::string& training : all) {
        for (const char* set : {"v2", "v3"}) {
          for (const std::string& test : other.wordings.at(set)) {
            EXPECT_EQ(first_common_run(training, test), "") << training << " | " << test;
            ++compared;
          }
        }
      }
    }
  }
  EXPECT_EQ(compared, 6u * 6 * (44 + 16) * 10);
}

TEST(Catalogue, TrainingWordingsAreManyAndNameRoleAndCountry) {
  for (const Expected& expected : six) {
    const std::vector<std::string> train = parse_dataset(find_dataset(expected.name)).wordings.at("train");
    EXPECT_GE(train.size(), 40u);
    for (const std::string& wording : train) {
      EXPECT_NE(wording.find("role}"), std::string::npos) << wording;
      EXPECT_NE(wording.find("{country}"), std::string::npos) << wording;
    }
  }
}

TEST(Catalogue, TestWordingsAreTheGivenOnes) {
  const std::map<std::string, std::string> given = {
      {"gender-v2", "49f9838bf249aa5ea10794212a14e4a1bc3671ec6c03d0e6b43780f20d24b02d"},
      {"gender-v3", "f222d5907e8f0fe2409f9e1e5264db719be48b6b49f35154b9e1f9c25e7d4344"},
      {"race-v2", "a542c16529676a2d9e81876fdb588e758ef053f08c2a20a2dc56f88834947200"},
      {"race-v3", "a42e5549f32b1f137fe72a89061f64e4f6a39034182d41deb7bc184743566912"},
      {"sentiment-v2", "0e6343bd68569e02cf6f1be94bbf961c59684faca21808df2b9ee2c63bfa0019"},
      {"sentiment-v3", "b4d6ae4b49c7feb2cbdecbbc41938bf474503db1ac90abae5e8e74d69e9370ba"}};
  for (const auto& [name, digest] : given)
    EXPECT_EQ(sha256_file(common("wordings/" + name + ".txt")), digest) << name;
  for (const Expected& expected : six) {
    const Dataset dataset = parse_dataset(find_dataset(expected.name));
    const std::string attribute = dataset.name.substr(0, dataset.name.find('-'));
    for (const char* set : {"v2", "v3"}) {
      std::string joined;
      for (const std::string& wording : dataset.wordings.at(set)) joined += wording + "\n";
      EXPECT_EQ(sha256(joined), given.at(attribute + "-" + set)) << dataset.name;
    }
  }
}

TEST(Catalogue, TheSixHaveTheirSubjectsAndTargetsAddToOne) {
  for (const Expected& expected : six) {
    const Dataset dataset = parse_dataset(find_dataset(expected.name));
    EXPECT_EQ(dataset.name, expected.name);
    EXPECT_EQ(dataset.categories.size(), expected.categories);
    EXPECT_EQ(dataset.subjects.size(), expected.subjects);
    EXPECT_EQ(dataset.ood_subjects.size(), expected.ood_subjects);
    for (const std::vector<Subject>* subjects : {&dataset.subjects, &dataset.ood_subjects}) {
      for (const Subject& subject : *subjects) {
        EXPECT_NEAR(std::accumulate(subject.target.begin(), subject.target.end(), 0.0), 1, 1e-15);
        if (!dataset.name.ends_with("-even")) continue;
        for (const double share : subject.target) EXPECT_EQ(share, 1.0 / double(expected.categories));
      }
    }
  }
}

TEST(Catalogue, RealTargetsAreTheSourcesFigures) {
  for (const std::string country : {"uk", "us"}) {
    const Dataset dataset = parse_dataset(find_dataset("gender-" + country + "-real"));
    const std::vector<CsvRow> rows = read_csv(common("occupations-" + country + ".csv"));
    ASSERT_EQ(rows.size(), dataset.subjects.size() + 1);
    for (size_t s = 0; s < dataset.subjects.size(); ++s) {
      const std::vector<std::string>& cells = rows[s + 1].cells;  // occupation, role, sector, men, women
      const double men = std::stod(cells[3]), women = std::stod(cells[4]);
      EXPECT_EQ(dataset.subjects[s].name, cells[0]);
      EXPECT_EQ(dataset.subjects[s].placeholders.at("role"), cells[1]);
      EXPECT_EQ(dataset.subjects[s].target,
                (std::vector<double>{men / (men + women), women / (men + women)}));
    }
  }
}

TEST(Catalogue, OodAsksAboutTheOtherListWithTheTrainingCountrysName) {
  for (const Expected& expected : six) {
    const Dataset dataset = parse_dataset(find_dataset(expected.name));
    const bool is_uk = dataset.name.find("-uk-") != std::string::npos;
    const Dataset other = parse_dataset(find_dataset(is_uk ? "gender-us-real" : "gender-uk-real"));
    std::map<std::string, std::vector<double>> figures;
    for (const Subject& subject : other.subjects) figures[subject.name] = subject.target;
    for (const Subject& subject : dataset.subjects) {
      EXPECT_EQ(subject.placeholders.at("country"), is_uk ? "the UK" : "the US");
    }
    for (const Subject& subject : dataset.ood_subjects) {
      EXPECT_EQ(subject.placeholders.at("country"), is_uk ? "the UK" : "the US");
      ASSERT_EQ(figures.count(subject.name), 1u) << subject.name;
      if (dataset.name.ends_with("-real")) {
        EXPECT_EQ(subject.target, figures[subject.name]);
      }
    }
  }
}

TEST(Catalogue, EveryAnswerParsesToWhatItSays) {
  for (const Expected& expected : six) {
    const Dataset dataset = parse_dataset(find_dataset(expected.name));
    EXPECT_NO_THROW(check_answer_forms(dataset));
    const CategoryParser parser(dataset.categories);
    for (const Subject& subject : dataset.subjects) {
      for (const Answer& answer : accepted_answers(dataset, subject)) {
        EXPECT_EQ(parser.parse(answer.text), answer.category) << answer.text;
      }
      for (const Answer& answer : rejected_answers(dataset, subject, 1, 1)) {
        EXPECT_EQ(parser.parse(answer.text), answer.said) << answer.text;
      }
    }
  }
}

TEST(Catalogue, FindsDatasetsByPathAndNamesTheNearest) {
  DatasetFolder folder;
  EXPECT_EQ(find_dataset(folder.path()), folder.path());
  const std::string message = error_of([] { find_dataset("gender-us-rael"); });
  EXPECT_TRUE(message.starts_with("dataset \"gender-us-rael\" is neither a folder nor a name in /"))
      << message;
  EXPECT_TRUE(message.ends_with("; the nearest name is gender-us-real")) << message;
  EXPECT_THROW(find_dataset("common"), UserError);  // a folder the six share, but not a dataset
  EXPECT_THROW(find_dataset(""), UserError);
}

TEST(Catalogue, FindsModelsByPathAndInTheUsersCache) {
  DatasetFolder folder;
  const std::string file = folder.write("apportion/toy-model.gguf", "x");
  EXPECT_EQ(find_model(file), file);
  const char* before = std::getenv("XDG_CACHE_HOME");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  EXPECT_EQ(find_model("toy-model"), file);
  const std::string part = folder.write("apportion/big-00001-of-00002.gguf", "x");
  folder.write("apportion/big-00002-of-00002.gguf", "x");
  folder.write("apportion/big-model-00001-of-00002.gguf", "x");
  EXPECT_EQ(find_model("big"), part);
  EXPECT_EQ(find_model("big-00001-of-00002"), part);
  const std::string whole = folder.path() + "/apportion/big.gguf";
  EXPECT_EQ(error_of([&] { find_model(whole); }),
            "there is no model file " + whole + "; " + part +
                " is there, the first of its parts; give a GGUF file, a folder or a name");
  const std::string again = folder.write("apportion/big-00001-of-00003.gguf", "x");
  EXPECT_EQ(error_of([] { find_model("big"); }),
            "model \"big\" is there in parts twice, " + part + " and " + again + "; give the path of one");
  EXPECT_EQ(find_model(folder.write("apportion/big.gguf", "x")), whole);
  EXPECT_EQ(find_model("big"), whole);
  const std::string message = error_of([] { find_model("absent-model"); });
  EXPECT_NE(message.find(folder.path() + "/apportion/absent-model.gguf"), std::string::npos) << message;
  EXPECT_NE(message.find("names are smollm2"), std::string::npos) << message;
  EXPECT_EQ(error_of([] { find_model("no/such.gguf"); }),
            "there is no model file no/such.gguf; give a GGUF file, a folder or a name");
  before == nullptr ? ::unsetenv("XDG_CACHE_HOME") : ::setenv("XDG_CACHE_HOME", saved.c_str(), 1);
}

}  // namespace
}  // namespace apportion
