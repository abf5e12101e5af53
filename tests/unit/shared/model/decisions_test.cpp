// A decision for one cell holds for exactly those cells that agree in all it depends on.
#include "shared/model/decisions.h"

#include <gtest/gtest.h>

#include "shared/config/option_table.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

RunConfig decided(RunConfig config) {
  resolve_option(config, "shard_size", "2");
  if (config.sft.steps == 0) resolve_option(config, "sft_steps", "77");
  return config;
}

TEST(Decisions, HoldForCellsThatDifferInSeedOrTarget) {
  Decisions known;
  RunConfig first = default_config({{"seed", "1"}});
  EXPECT_FALSE(known.decide(first));
  known.keep(decided(first));
  RunConfig second = default_config({{"seed", "2"}, {"target", "even"}});
  ASSERT_TRUE(known.decide(second));
  EXPECT_EQ(second.value("shard_size"), "2");
  EXPECT_EQ(second.sft.steps, 77);
  EXPECT_EQ(second.value("seed"), "2");
}

TEST(Decisions, DoNotHoldForAnotherModelOrForWhatIsSet) {
  Decisions known;
  RunConfig first = default_config({});
  EXPECT_FALSE(known.decide(first));
  known.keep(decided(first));
  RunConfig model = default_config({{"model", "shape:350m"}});
  EXPECT_FALSE(known.decide(model));
  for (const auto& [key, value] :
       {std::pair("dataset", "race-us-even"), {"lora_rank", "7"}, {"kto_weight", "0"}}) {
    RunConfig other = default_config({{key, value}});
    EXPECT_FALSE(known.decide(other)) << key;
  }
  RunConfig set = default_config({{"sft_steps", "5"}});
  EXPECT_FALSE(known.decide(set));
  EXPECT_EQ(set.sft.steps, 5);
  known.keep(decided(set));
  RunConfig again = default_config({{"sft_steps", "6"}});
  ASSERT_TRUE(known.decide(again));
  EXPECT_EQ(known.number(), 1u);
  EXPECT_EQ(again.sft.steps, 6);
  EXPECT_EQ(again.value("shard_size"), "2");
}

}  // namespace
}  // namespace apportion
