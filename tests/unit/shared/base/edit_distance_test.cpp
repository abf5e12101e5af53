// Distances against values worked out by hand, and the choice among known words.
#include "shared/base/edit_distance.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "seed"), 4u);
  EXPECT_EQ(edit_distance("seed", ""), 4u);
  EXPECT_EQ(edit_distance("seed", "seed"), 0u);
  EXPECT_EQ(edit_distance("sede", "seed"), 2u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("lerning_rate", "sft_learning_rate"), 5u);
}

TEST(NearestWord, IsTheFirstOfTheNearest) {
  EXPECT_EQ(nearest_word("rnu", {"report", "run", "ran"}), "run");
  EXPECT_EQ(nearest_word("bat", {"cat", "hat"}), "cat");
}

TEST(NearestWord, PrefersAWordThatBeginsSo) {
  EXPECT_EQ(nearest_word("lora", {"beta", "lora_rank", "lora_alpha"}), "lora_rank");
  EXPECT_EQ(nearest_word("", {"beta", "lora_rank"}), "beta");
}

TEST(NearestWord, TakesLongAndNoInput) {
  EXPECT_EQ(nearest_word(std::string(1'000'000, 'x'), {"beta", "maximum"}), "maximum");
  EXPECT_THROW(nearest_word("seed", {}), InternalError);
}

}  // namespace
}  // namespace apportion
