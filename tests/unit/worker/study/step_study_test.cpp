// Timed steps of a tiny shape: the trees have the planned sizes, and every figure is there.
#include "worker/study/step_study.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shared/model_files/shape_text.h"
#include "tests/support/worker/test_device.h"
#include "worker/device_memory.h"

namespace apportion {
namespace {

LoraConfig on_all_blocks() {
  LoraConfig lora;
  lora.layers = 1;
  return lora;
}

StudyTree small_tree() {
  ScaleConfig config;
  config.tokens = 160;
  config.prompts = 3;
  config.branches = 4;
  return study_tree(config);
}

TEST(StepStudy, PromptsMakeTreesOfThePlannedSizes) {
  const StudyTree tree = small_tree();
  // There are more prompts than the vocabulary has tokens, so their numbers need two tokens.
  const auto prompts = study_prompts(tree, 100, 128);
  ASSERT_EQ(prompts.size(), 300u);
  std::vector<int> batch(prompts.size());
  for (size_t i = 0; i < batch.size(); ++i) batch[i] = static_cast<int>(i);
  ModelShape shape;
  shape.context_length = 512;
  const MicroBatch packed = pack_micro_batch(prompts, batch, {0, 1, 2},
                                             {AnswerSet::accepted, SftWeights::split}, shape, test_device());
  EXPECT_EQ(packed.tree_tokens, tree.tokens());
  EXPECT_EQ(packed.rows.plan.pairs, tree.pairs());
  EXPECT_EQ(packed.edges.rows_R.size(0), tree.rows());
  EXPECT_LT(at::amax(packed.rows.ids_T).item<int64_t>(), 128);
}

TEST(StepStudy, TimesEveryStepButTheFirst) {
  keep_tensor_memory();  // this counts the tensors' bytes
  const StepStudy study{parse_shape("shape:layers=2,width=64,heads=2,ffn=96,vocabulary=256,context=256"),
                        small_tree(),
                        2,
                        3,
                        at::kFloat,
                        RankDevice{test_device(), 1},
                        on_all_blocks(),
                        RanksConfig{}};
  auto group = make_local_collectives();
  int reports = 0;
  const StepSample sample = measure_steps(study, *group, {0}, [&](const StepReport&) { ++reports; });
  EXPECT_EQ(reports, 4);
  ASSERT_EQ(sample.seconds.size(), 3u);
  for (double seconds : sample.seconds) EXPECT_GT(seconds, 0);
  EXPECT_EQ(sample.resident_seconds, sample.seconds);  // on one rank nothing is transferred
  EXPECT_EQ(sample.tokens, 2 * static_cast<double>(study.tree.tokens()));
  EXPECT_GT(sample.flops, 0);
  EXPECT_GT(sample.peak_flops, 0);
  const double base = 4.0 * static_cast<double>(study.shape.parameters());
  EXPECT_NEAR(sample.base_bytes, base, 0.05 * base);
  EXPECT_GT(sample.tensor_bytes, sample.base_bytes);
  EXPECT_GT(sample.process_bytes, sample.tensor_bytes);
}

}  // namespace
}  // namespace apportion
