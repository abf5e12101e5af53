// Units come back as they were kept, whoever kept them; what is damaged or from another task is skipped with
// a line.
#include "worker/sample/kept_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "shared/base/file_system.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Histogram unit(int number) {
  PromptResult prompt;
  prompt.subject = number;
  prompt.counts = {1, 2, 3};
  prompt.low = {1.0 / 3, 0.1};
  prompt.answers = {{0, 1, -1.0 / 7, Finish::end, std::string("a\0\n\xff", 4)}};
  return {"task", number, {prompt}};
}

class KeptUnitsTest : public ::testing::Test {
 protected:
  void keep(std::initializer_list<int> numbers, int rank, int ranks) const {
    KeptUnits kept(folder(), "task", 4);
    for (int number : numbers) kept.add(unit(number));
    kept.save(rank, ranks);
  }
  std::vector<int> found(const std::string& task = "task", int unit_prompts = 4) {
    std::vector<int> numbers;
    warnings_.clear();
    auto warn = [&](const std::string& line) { warnings_.push_back(line); };
    for (const auto& [number, one] : KeptUnits(folder(), task, unit_prompts).load(warn)) {
      EXPECT_EQ(encode(one), encode(unit(number)));
      numbers.push_back(number);
    }
    return numbers;
  }
  std::string folder() const { return directory_.path() + "/a/checkpoint"; }
  std::string file(const std::string& name) const { return folder() + "/" + name + ".units"; }

  TemporaryDirectory directory_;
  std::vector<std::string> warnings_;
};

TEST_F(KeptUnitsTest, AllRanksUnitsComeBack) {
  keep({0, 2, 4}, 0, 2);
  keep({1}, 1, 2);
  keep({4, 5}, 0, 1);  // a later run, on one rank
  EXPECT_THAT(found(), ElementsAre(0, 1, 2, 4, 5));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(KeptUnitsTest, NothingIsWrittenForNothing) {
  keep({}, 0, 1);
  EXPECT_FALSE(std::filesystem::exists(folder()));
  EXPECT_TRUE(found().empty());
}

TEST_F(KeptUnitsTest, AnotherCutOfThePromptsIsPassedOver) {
  keep({0}, 0, 1);
  EXPECT_TRUE(found("task", 5).empty());
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(KeptUnitsTest, AnyDamagedByteIsFound) {
  keep({0}, 0, 1);
  keep({1}, 1, 2);
  const std::string good = read_file(file("rank-0-of-1"));
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_file(file("rank-0-of-1"), bad);
    EXPECT_THAT(found(), ElementsAre(1)) << at;
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("rank-0-of-1.units are measured again"))) << at;
    write_file(file("rank-0-of-1"), good.substr(0, at));
    EXPECT_THAT(found(), ElementsAre(1)) << at;
  }
}

TEST_F(KeptUnitsTest, AnotherTasksUnitsAreRefused) {
  keep({0}, 0, 1);
  EXPECT_TRUE(found("other").empty());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("another task")));
}

}  // namespace
}  // namespace apportion
