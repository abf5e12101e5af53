// Settings to a checked configuration: precedence, errors with their source, the echo, identities.
#include "shared/config/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/config/option_table.h"
#include "tests/support/small_job.h"

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
  EXPECT_EQ(config.sft.steps, 0);  // left to the rule
  EXPECT_EQ(config.sft.learning_rate, 0);
  EXPECT_EQ(config.calibrate.steps, 30);
  EXPECT_EQ(config.keep.weight, 4);
  EXPECT_EQ(config.value("calibrate_learning_rate"), "auto");
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
            "command line: schedule = 'linear' must be one of constant, cosine, quadratic");
  EXPECT_EQ(error_of({{"test_sets", "v2,v9", "command line"}}),
            "command line: test_sets = 'v2,v9' must be a comma-separated list of heldout, v2, v3, ood, "
            "train, each at "
            "most once");
  EXPECT_THAT(error_of({{"lora_targets", "lm_head", "command line"}}), HasSubstr("q_proj, k_proj, v_proj"));
  EXPECT_EQ(error_of({{"sed", "1", "command line"}}),
            "command line: unknown key 'sed'; did you mean 'seed'?");
}

TEST(MakeRunConfig, RefusesABatchOfOneWhereThereIsKto) {
  EXPECT_EQ(error_of({{"batch_prompts", "1", "x.ini, line 4"}}),
            "batch_prompts = 1 (x.ini, line 4) must be at least 2 with method = full (default): KTO's "
            "mismatched pairs need two prompts");
  for (const char* method : {"dpo", "kl-only"}) {
    EXPECT_EQ(error_of({{"batch_prompts", "1", "x"}, {"micro_batches", "1", "x"}, {"method", method, "x"}}),
              "no error");
  }
  EXPECT_EQ(error_of({{"batch_prompts", "2", "command line"}, {"micro_batches", "2", "command line"}}),
            "no error");
}

TEST(MakeRunConfig, ChecksKeysAgainstEachOtherAndNamesBothSources) {
  EXPECT_EQ(error_of({{"micro_batches", "17", "x.ini, line 3"}}),
            "micro_batches = 17 (x.ini, line 3) must be at most batch_prompts = 8 (default)");
  EXPECT_THAT(error_of({{"kl_weight", "0", "x.ini, line 1"}, {"kto_weight", "0", "x.ini, line 2"}}),
              HasSubstr("leave stage 2 without a loss"));
  EXPECT_EQ(error_of({{"kl_weight", "0", "x"}, {"kto_weight", "0", "x"}, {"method", "sft", "x"}}),
            "no error");
  EXPECT_THAT(error_of({{"holdout_wordings", "0", "x.ini, line 1"}}),
              HasSubstr("test_sets = heldout,v2 (default)"));
  EXPECT_EQ(error_of({{"holdout_wordings", "0", "x"}, {"test_sets", "v2", "x"}}), "no error");
}

TEST(MakeRunConfig, AMethodHasDefaultsOfItsOwnAndWhatIsSetWins) {
  RunConfig config = make_run_config({{"method", "ift", "command line"}});
  EXPECT_EQ(config.lora.rank, 8);
  EXPECT_EQ(config.lora.alpha, 32);
  EXPECT_EQ(config.value("lora_rank"), "8");
  config = make_run_config({{"lora_rank", "16", "x.ini, line 1"}, {"method", "dpo", "command line"}});
  EXPECT_EQ(config.lora.rank, 16);
  EXPECT_EQ(config.lora.alpha, 32);
  EXPECT_EQ(make_run_config({{"method", "kl-only", "x"}}).lora.rank, 32);
}

TEST(MakeRunConfig, APresetSetsWhatIsNotSet) {
  RunConfig config = make_run_config({{"preset", "authors", "command line"}, {"sft_steps", "9", "x"}});
  EXPECT_EQ(config.calibrate.kto.positions, KtoPositions::all);
  EXPECT_EQ(config.calibrate.kto.pairs, KtoPairs::rotated);
  EXPECT_EQ(config.lora.targets, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(config.sft.steps, 9);
  EXPECT_EQ(config.sft.weights, SftWeights::token_mean);
  config = make_run_config({{"method", "dpo", "x"}, {"preset", "authors", "x"}});
  EXPECT_EQ(config.lora.rank, 8);
  EXPECT_EQ(config.lora.targets.size(), 7u);
  EXPECT_EQ(config.calibrate.learning_rate, 1e-6);
  EXPECT_THAT(error_of({{"preset", "authors", "x"}, {"micro_batches", "9", "y"}}),
              HasSubstr("batch_prompts = 8 (preset authors)"));
  config = make_run_config({{"preset", "unheld", "x"}, {"adapter", "none", "x"}});
  EXPECT_EQ(config.sft.optimizer, OptimizerKind::adamw);
  config = make_run_config({{"preset", "unheld", "x"}});
  EXPECT_EQ(config.keep.weight, 0);
  EXPECT_EQ(config.sft.optimizer, OptimizerKind::muon);
}

TEST(MakeRunConfig, RecipesOfBeforeKeepTheirSchedule) {
  using Schedule = LearningRateSchedule;
  const RunConfig usual = make_run_config({});
  EXPECT_EQ(usual.optimizer.schedule, Schedule::quadratic);
  for (auto [key, value, schedule] :
       {std::tuple("adapter", "none", Schedule::cosine), std::tuple("steering", "path", Schedule::cosine),
        std::tuple("preset", "unheld", Schedule::cosine),
        std::tuple("preset", "authors", Schedule::constant)}) {
    const RunConfig config = make_run_config({{key, value, "x"}});
    EXPECT_EQ(config.optimizer.schedule, schedule) << value;
  }
  for (const char* method : {"ift", "dpo"}) {
    EXPECT_EQ(make_run_config({{"method", method, "x"}}).optimizer.schedule, Schedule::cosine) << method;
    const RunConfig theirs = make_run_config({{"method", method, "x"}, {"preset", "authors", "x"}});
    EXPECT_EQ(theirs.optimizer.schedule, Schedule::constant) << method;
  }
}

TEST(MakeRunConfig, MuonIsForAdaptersAndNotTheAuthors) {
  EXPECT_EQ(make_run_config({}).sft.optimizer, OptimizerKind::adamw);
  for (auto [key, value] : {std::pair("adapter", "none"), std::pair("preset", "authors"),
                            std::pair("steering", "path"), std::pair("method", "ift")}) {
    EXPECT_EQ(make_run_config({{key, value, "x"}}).sft.optimizer, OptimizerKind::adamw) << value;
  }
  EXPECT_EQ(error_of({{"adapter", "none", "x"}, {"sft_optimizer", "muon", "y.ini, line 2"}}),
            "adapter = none (x) trains all weights, so sft_optimizer = muon (y.ini, line 2) must be adamw");
}

TEST(MakeRunConfig, AMethodOfOneLossNeedsItsWeight) {
  EXPECT_EQ(error_of({{"method", "kl-only", "command line"}, {"kl_weight", "0", "x.ini, line 1"}}),
            "kl_weight = 0 (x.ini, line 1) leaves method = kl-only (command line) without a loss; it must be "
            "above 0");
  EXPECT_EQ(error_of({{"method", "kl-only", "x"}, {"kto_weight", "0", "x"}}), "no error");
}

TEST(MakeRunConfig, AllWeightsAreTrainedAsTheyAreComputedWithAndInMemory) {
  EXPECT_EQ(
      error_of({{"adapter", "none", "x.ini, line 2"}, {"base_type", "q4", "command line"}}),
      "adapter = none (x.ini, line 2) trains all weights, so base_type = q4 (command line) and base_place = "
      "memory (default) must be compute and memory");
  EXPECT_EQ(error_of({{"base_type", "q4", "x"}}), "no error");
}

TEST(MakeRunConfig, AllWeightsHaveRatesOfTheirOwnUnlessSet) {
  const RunConfig config = make_run_config({{"adapter", "none", "x"}, {"sft_learning_rate", "0.001", "x"}});
  EXPECT_EQ(config.sft.learning_rate, 0.001);
  EXPECT_EQ(config.calibrate.learning_rate, 1e-5);
  EXPECT_EQ(config.value("calibrate_learning_rate"), "1e-05");
  EXPECT_EQ(make_run_config({{"adapter", "none", "x"}}).sft.learning_rate, 5e-5);
  EXPECT_EQ(make_run_config({}).sft.learning_rate, 0);
}

TEST(MakeRunConfig, PathsWeighWholeAnswersAndHaveNoKto) {
  RunConfig config = make_run_config({{"steering", "path", "x.ini, line 1"}});
  EXPECT_EQ(config.steering, Steering::path);
  EXPECT_EQ(config.sft.weights, SftWeights::sequence);
  config = make_run_config({{"steering", "path", "x"}, {"sft_weights", "token_mean", "x"}});
  EXPECT_EQ(config.sft.weights, SftWeights::token_mean);
  EXPECT_EQ(make_run_config({{"steering", "letter", "x"}}).sft.weights, SftWeights::split);
  EXPECT_EQ(error_of({{"steering", "path", "x.ini, line 1"}, {"sft_weights", "split", "x.ini, line 2"}}),
            "sft_weights = split (x.ini, line 2) weighs the first token apart, but with steering = path "
            "(x.ini, line 1) it stands for no category; it must be sequence or token_mean");
  EXPECT_EQ(error_of({{"steering", "path", "x.ini, line 1"}, {"method", "kto-only", "command line"}}),
            "method = kto-only (command line) needs rejected answers, a steering token with another "
            "category's text, which steering = path (x.ini, line 1) does not have; method kl-only or full, "
            "or another steering");
  EXPECT_THAT(error_of({{"steering", "path", "x"}, {"kl_weight", "0", "x.ini, line 2"}}),
              HasSubstr("kl_weight = 0 (x.ini, line 2) leaves stage 2 without a loss"));
  EXPECT_EQ(error_of({{"steering", "path", "x"}, {"batch_prompts", "1", "x"}, {"micro_batches", "1", "x"}}),
            "no error");
  EXPECT_EQ(error_of({{"steering", "path", "x"}, {"method", "ift", "x"}, {"sft_weights", "split", "x"}}),
            "no error");  // plain answers, so steering does not matter
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

TEST(MakeRunConfig, AJudgeIsWordsOrAServerWithoutSecretsInItsAddress) {
  for (const char* wrong : {"somebody", "host/v1", "https://user:key@host/v1", "https://host/v1?key=1"}) {
    EXPECT_EQ(error_of({{"judge", wrong, "x"}, {"judge_model", "m", "x"}}),
              "judge (x) must be lexical, local, or the address of a server as https://HOST/v1, without user "
              "or key in it");
  }
  EXPECT_EQ(error_of({{"judge", "local", "x"}}), "no error");
  EXPECT_EQ(error_of({{"judge", "http://host:8000/v1", "x"}}),
            "judge = http://host:8000/v1 (x) needs judge_model, the server's name of the model that judges");
  EXPECT_EQ(error_of({{"judge", "http://host:8000/v1", "x"}, {"judge_model", "m", "x"}}), "no error");
}

TEST(MakeRunConfig, KnowsWhichKeysOfTheAdapterTheUserHasSet) {
  EXPECT_THAT(make_run_config({{"preset", "authors", "command line"}}).given_lora, testing::IsEmpty());
  EXPECT_THAT(make_run_config({{"method", "ift", "command line"}}).given_lora, testing::IsEmpty());
  // The job file's name does not matter, even "preset a.ini".
  const std::vector<Setting> settings = {{"lora_rank", "8", "preset a.ini, line 1"},
                                         {"seed", "1", "preset a.ini, line 2"}};
  EXPECT_THAT(make_run_config(settings).given_lora, testing::ElementsAre("lora_rank"));
  EXPECT_THAT(
      CellConfigs(settings).config_of({{"lora_layers", "1", "default of all.ini, line 3"}}).given_lora,
      testing::ElementsAre("lora_layers", "lora_rank"));
}

TEST(RunConfig, ValuesWithoutKeysDifferInAllOthers) {
  for (const std::string& key : course_keys()) EXPECT_TRUE(find_option(key)) << key;
  const RunConfig config = default_config({{"rounds", "3"}});
  EXPECT_EQ(values_without(config, {"rounds"}),
            values_without(default_config({{"rounds", "4"}}), {"rounds"}));
  EXPECT_NE(values_without(config, {}), values_without(default_config({{"rounds", "4"}}), {}));
  EXPECT_NE(values_without(config, {"rounds"}), values_without(default_config({{"seed", "5"}}), {"rounds"}));
  EXPECT_NE(values_without(default_config({{"sft_steps", "auto"}}), {"sft_steps"}),
            values_without(default_config({{"sft_steps", "7"}}), {"sft_steps"}))
      << "what is open is still to be decided";
}

}  // namespace
}  // namespace apportion
