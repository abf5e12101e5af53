// Settings to a checked configuration: precedence, errors with their source, the echo, identities.
#include "shared/config/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

using testing::HasSubstr;

std::string error_of(const std::vector<Setting>& settings) {
  try {
    make_run_config(settings);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(MakeRunConfig, WithoutSettingsGivesTheDefaultsInTheTablesOrder) {
  RunConfig config = make_run_config({});
  ASSERT_EQ(config.resolved.size(), option_table().size());
  for (size_t i = 0; i < config.resolved.size(); ++i) {
    EXPECT_EQ(config.resolved[i].first, option_table()[i]->key);
    EXPECT_EQ(config.resolved[i].second, option_table()[i]->default_value);
  }
  EXPECT_EQ(config.sft.steps, 120);
  EXPECT_EQ(config.sft.learning_rate, 4e-3);
  EXPECT_EQ(config.calibrate.steps, 40);
  EXPECT_EQ(config.calibrate.learning_rate, 2e-4);
  EXPECT_EQ(config.measure_compute_type, ComputeType::float32);
  EXPECT_EQ(config.lora.targets.size(), 7u);
}

TEST(MakeRunConfig, TheLaterSettingWinsAndIsEchoedCanonically) {
  RunConfig config = make_run_config({{"beta", "0.5", "a.ini, line 1"},
                                      {"lora_targets", "v_proj, q_proj", "a.ini, line 2"},
                                      {"beta", "25e-2", "command line"}});
  EXPECT_EQ(config.calibrate.kto.beta, 0.25);
  EXPECT_EQ(config.value("beta"), "0.25");
  EXPECT_EQ(config.value("lora_targets"), "q_proj,v_proj");
  EXPECT_THROW(config.value("no_such_key"), InternalError);
}

TEST(MakeRunConfig, NamesKeyValueSourceAndWhatWouldBeRight) {
  EXPECT_EQ(error_of({{"lora_rank", "0", "jobs/x.ini, line 7"}}),
            "jobs/x.ini, line 7: lora_rank = '0' must be an integer from 1 to 4096");
  EXPECT_EQ(error_of({{"schedule", "linear", "command line"}}),
            "command line: schedule = 'linear' must be one of constant, cosine");
  EXPECT_EQ(error_of({{"test_sets", "v2,v9", "command line"}}),
            "command line: test_sets = 'v2,v9' must be a comma-separated list of heldout, v2, v3, ood, "
            "train, each at "
            "most once");
  EXPECT_THAT(error_of({{"lora_targets", "lm_head", "command line"}}), HasSubstr("q_proj, k_proj, v_proj"));
  EXPECT_EQ(error_of({{"sed", "1", "command line"}}),
            "command line: unknown key 'sed'; did you mean 'seed'?");
}

TEST(MakeRunConfig, RefusesABatchOfOneWithTheReason) {
  EXPECT_THAT(error_of({{"batch_prompts", "1", "command line"}}),
              HasSubstr("mismatched pairs need two prompts"));
  EXPECT_EQ(error_of({{"batch_prompts", "2", "command line"}, {"micro_batches", "2", "command line"}}),
            "no error");
}

TEST(MakeRunConfig, ChecksKeysAgainstEachOtherAndNamesBothSources) {
  EXPECT_EQ(error_of({{"micro_batches", "17", "x.ini, line 3"}}),
            "micro_batches = 17 (x.ini, line 3) must be at most batch_prompts = 16 (default)");
  EXPECT_THAT(error_of({{"kl_weight", "0", "x.ini, line 1"}, {"kto_weight", "0", "x.ini, line 2"}}),
              HasSubstr("leave stage 2 without a loss"));
  EXPECT_EQ(error_of({{"kl_weight", "0", "x"}, {"kto_weight", "0", "x"}, {"method", "sft", "x"}}),
            "no error");
  EXPECT_THAT(error_of({{"holdout_wordings", "0", "x.ini, line 1"}}),
              HasSubstr("test_sets = heldout,v2 (default)"));
  EXPECT_EQ(error_of({{"holdout_wordings", "0", "x"}, {"test_sets", "v2", "x"}}), "no error");
}

TEST(ResolveOption, ChangesFieldAndEcho) {
  RunConfig config = make_run_config({});
  resolve_option(config, "train_compute_type", "bfloat16");
  EXPECT_EQ(config.train_compute_type, ComputeType::bfloat16);
  EXPECT_EQ(config.value("train_compute_type"), "bfloat16");
  EXPECT_THROW(resolve_option(config, "train_compute_type", "float16"), InternalError);
  EXPECT_THROW(resolve_option(config, "no_such_key", "1"), InternalError);
}

TEST(IdentityOptions, GivesIdentityKeysOnly) {
  RunConfig config = make_run_config({{"seed", "7", "command line"}, {"threads", "3", "command line"}});
  EXPECT_EQ(identity_options(config, {"seed", "lora_rank"}),
            (std::map<std::string, std::string>{{"lora_rank", "32"}, {"seed", "7"}}));
  EXPECT_THROW(identity_options(config, {"seed", "threads"}), InternalError);
  EXPECT_THROW(identity_options(config, {"no_such_key"}), InternalError);
}

}  // namespace
}  // namespace apportion
