// Which layout a plan chooses, the fewest ranks that fit, and what it refuses.
#include "coordinator/capacity/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/model_files/shape_text.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

Forecast forecast(const std::string& model, const std::map<std::string, std::string>& changes) {
  const RunConfig config = default_config(changes);
  const Machine& machine = find_machine(config.capacity.machine);
  return make_forecast(parse_shape(model), {machine, default_coefficients(machine)}, config);
}

TEST(Forecast, ASmallModelIsResidentAndALargeOneShared) {
  const Forecast small = forecast("shape:1b", {{"plan_ranks", "1,8"}});
  ASSERT_EQ(small.rows.size(), 2u);
  for (const ForecastRow& row : small.rows) {
    EXPECT_TRUE(row.fits);
    EXPECT_EQ(row.layout.shard_size, 1);
    EXPECT_EQ(row.layout.recompute, Recompute::never);
  }
  EXPECT_EQ(small.fewest_ranks, 1);
  const Forecast large = forecast("shape:llama-3.1-405b", {{"plan_ranks", "8,256"}});
  EXPECT_FALSE(large.rows[0].fits);
  EXPECT_TRUE(large.rows[1].fits);
  EXPECT_GT(large.rows[1].layout.shard_size, 8);
}

TEST(Forecast, TheFewestRanksFitAndOneLessDoesNot) {
  for (const char* base : {"compute", "int8", "q4"}) {
    const Forecast first = forecast("shape:llama-3.1-405b", {{"base_type", base}});
    ASSERT_TRUE(first.fewest_ranks.has_value());
    const std::string fewest = std::to_string(*first.fewest_ranks),
                      less = std::to_string(*first.fewest_ranks - 1);
    const Forecast both =
        forecast("shape:llama-3.1-405b", {{"base_type", base}, {"plan_ranks", less + "," + fewest}});
    EXPECT_FALSE(both.rows[0].fits) << base;
    EXPECT_TRUE(both.rows[1].fits) << base;
  }
}

TEST(Forecast, NoNumberOfRanksMayFit) {
  const Forecast none =
      forecast("shape:llama-3.1-405b", {{"plan_tokens", "1000000"}, {"plan_ranks", "1024"}});
  EXPECT_FALSE(none.fewest_ranks.has_value());
  EXPECT_GT(none.least_bytes, find_machine("h100-80").memory_bytes);
}

TEST(Forecast, WhatIsGivenIsKept) {
  const Forecast given =
      forecast("shape:1b", {{"plan_ranks", "8,16"}, {"shard_size", "4"}, {"recompute", "always"}});
  for (const ForecastRow& row : given.rows) {
    EXPECT_EQ(row.layout.shard_size, 4);
    EXPECT_EQ(row.layout.recompute, Recompute::always);
  }
  EXPECT_THROW(forecast("shape:1b", {{"plan_ranks", "8,10"}, {"shard_size", "4"}}), UserError);
}

TEST(Forecast, TheChosenLayoutIsTheFastestThatFits) {
  for (const char* model : {"shape:8b", "shape:llama-3.1-70b"}) {
    const ForecastRow chosen = forecast(model, {{"plan_ranks", "16"}}).rows[0];
    ASSERT_TRUE(chosen.fits);
    for (const char* shard : {"1", "2", "4", "8", "16"}) {
      for (const char* recompute : {"never", "always"}) {
        const ForecastRow other =
            forecast(model, {{"plan_ranks", "16"}, {"shard_size", shard}, {"recompute", recompute}}).rows[0];
        if (other.fits) {
          EXPECT_LE(chosen.time.total(), other.time.total()) << model << shard << recompute;
        }
      }
    }
  }
}

TEST(Forecast, StrongScalingDealsTheJobsMicroBatches) {
  const Forecast strong =
      forecast("shape:1b", {{"plan_ranks", "1,3,8"}, {"plan_scaling", "strong"}, {"micro_batches", "4"}});
  EXPECT_EQ(strong.rows[0].load.micro_batches, 4);
  EXPECT_EQ(strong.rows[1].load.micro_batches, 2);
  EXPECT_EQ(strong.rows[2].load.micro_batches, 1);
  EXPECT_EQ(strong.rows[2].micro_batches, 4);
  // The same tokens per step on any number of ranks.
  EXPECT_NEAR(strong.rows[0].tokens_per_second() * strong.rows[0].time.total(), 4 * 2048, 1e-6);
  EXPECT_NEAR(strong.rows[2].tokens_per_second() * strong.rows[2].time.total(), 4 * 2048, 1e-6);
}

}  // namespace
}  // namespace apportion
