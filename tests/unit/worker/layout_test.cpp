// Layouts decided from the available memory: given settings stay, open ones are found, and what cannot fit
// gives one line before anything is loaded.
#include "worker/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model/memory.h"
#include "shared/model_files/shape_text.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

class LayoutTest : public ::testing::Test {
 protected:
  LayoutTest() {
    write_small_job(folder_.path());
    config_ = small_job(folder_.path(), folder_.path_of("results"));
    resolve_option(config_, "shard_size", "auto");
    resolve_option(config_, "recompute", "auto");
  }

  testing::DatasetFolder folder_;
  RunConfig config_;
};

TEST_F(LayoutTest, ASmallModelIsEachRanksOwn) {
  EXPECT_EQ(resolve_layout(config_, {}, 1), "");
  EXPECT_EQ(config_.value("shard_size"), "1");
  EXPECT_EQ(config_.value("recompute"), "never");
  EXPECT_EQ(config_.ranks.shard_size, 1);
}

TEST_F(LayoutTest, WithNothingLeftOpenNothingIsRead) {
  resolve_option(config_, "shard_size", "3");
  resolve_option(config_, "recompute", "always");
  config_.data.model = "/nowhere/model.gguf";
  EXPECT_EQ(resolve_layout(config_, {}, 1), "");
  EXPECT_EQ(config_.ranks.shard_size, 3);
  EXPECT_EQ(config_.ranks.recompute, Recompute::always);
  resolve_option(config_, "recompute", "auto");
  EXPECT_THROW(resolve_layout(config_, {}, 1), UserError);
}

TEST_F(LayoutTest, WhatCannotFitIsSaidBeforeItIsLoaded) {
  config_.data.model = "shape:llama-3.1-405b";
  const std::string error = error_of([&] { resolve_layout(config_, {}, 1); });
  EXPECT_THAT(error, HasSubstr("shape:llama-3.1-405b does not fit: a rank needs "));
  EXPECT_THAT(error, HasSubstr(" GiB with shard_size = 1 and recompute = always"));
  EXPECT_THAT(error, HasSubstr("more ranks"));
}

/// The GiB that a job with a far too large model is said to need.
double needed_gib(RunConfig config) {
  config.data.model = "shape:llama-3.1-405b";
  config.train_compute_type = ComputeType::float32;  // so that training needs more than measuring
  config.measure_compute_type = ComputeType::bfloat16;
  const std::string error = error_of([&] { resolve_layout(config, {}, 1); });
  const std::string before = "a rank needs ";
  return std::stod(error.substr(error.find(before) + before.size()));
}

TEST_F(LayoutTest, RowsThatJoinAStepCount) {
  const double without = needed_gib(config_);
  config_.keep.train = folder_.write("keep.txt", "[knowledge]\nWhat is a cat?\n");
  config_.keep.weight = 1;
  config_.keep.prompts = 64;
  config_.keep.tokens = 40;
  const double held = needed_gib(config_);
  EXPECT_GT(held, without + 1);
  config_.keep.prompts = 4;  // one per micro-batch
  EXPECT_LT(needed_gib(config_), held);
}

TEST(Layout, TheLineNamesNeedAndMemoryAndWhatWouldBeRight) {
  auto needed = [](int64_t shard_size, Recompute recompute) {
    return (recompute == Recompute::always ? 8 : 12) * 1073741824.0 / static_cast<double>(shard_size);
  };
  EXPECT_EQ(fitting_layout("m", {4}, 3.5 * 1073741824, needed).shard_size, 4);
  EXPECT_EQ(
      error_of([&] { fitting_layout("m", {4}, 1.5 * 1073741824, needed); }),
      "m does not fit: a rank needs 2.00 GiB with shard_size = 4 and recompute = always, the least that may "
      "be chosen, and has 1.50 GiB; use more ranks that each have this much, or a smaller base_type");
  EXPECT_THAT(error_of([&] {
                fitting_layout("m", {4, 0, 1, Recompute::never}, 1073741824, needed);
              }),
              HasSubstr("needs 12.00 GiB with shard_size = 1 and recompute = never"));
  EXPECT_THAT(error_of([&] {
                fitting_layout("m", {4, 0, 1, Recompute::never}, 1073741824, needed);
              }),
              HasSubstr("or shard_size = auto"));
}

TEST(Layout, AReserveIsKept) {
  const ModelShape shape = parse_shape("shape:8b");
  EXPECT_GT(with_reserve(shape, {}, 1e9, at::kCPU), 1.05e9 + 5e7);
  RankLayout shards;
  shards.ranks = shards.shard_size = 4;
  EXPECT_EQ(with_reserve(shape, shards, 1e9, at::kCUDA),
            1e9 + gpu_beside(shape, shards, 1e9).beyond_context());
  EXPECT_GT(with_reserve(shape, shards, 1e9, at::kCUDA), with_reserve(shape, {}, 1e9, at::kCUDA));
}

}  // namespace
}  // namespace apportion
