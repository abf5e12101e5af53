// What a pass over a tree keeps for its backward pass, and its peak, counted in LibTorch's own allocator,
// against the memory model behind plans (shared/model/memory.h). The model is synthetic, so that the test can
// choose its shape.
#include "worker/models/llama.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "shared/model/memory.h"
#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/worker/test_device.h"
#include "worker/kernels/panel_products.h"
#include "worker/losses/log_probs.h"
#include "worker/models/weight_source.h"

namespace apportion {
namespace {

/// Live bytes of tensors made on this thread since this object was made.
class LiveBytes : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*pointer*/, int64_t bytes, size_t /*allocated*/, size_t /*reserved*/,
                         c10::Device /*device*/) override {
    now_ += static_cast<double>(bytes);
    most_ = std::max(most_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }
  double now() const { return now_; }
  double most() const { return most_; }
  void forget_most() { most_ = now_; }

 private:
  double now_ = 0, most_ = 0;
};

/// One prompt of 96 tokens with 40 answers of 8: blocks of neighbours share their path.
TokenTree tree_of_answers() {
  TokenTree tree;
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 96; ++i) prompt.push_back(i);
  const int32_t end = tree.add_path(no_node, prompt);
  for (int32_t a = 0; a < 40; ++a) tree.add_path(end, {100 + a, 1, 2, 3, 4, 5, 6, 7});
  return tree;
}

struct Measured {
  double kept = 0,
         most = 0;  // after the forward pass; the peak over both passes; both beyond what was there before
  double predicted_kept = 0, predicted_most = 0;
};

Measured measure(at::ScalarType type) {
  const ModelShape shape =
      parse_shape("shape:layers=4,width=256,heads=8,kv_heads=2,ffn=704,vocabulary=900,context=256");
  const Llama model(WeightSource(synthetic_tensors(shape)), shape, type, test_device());
  LoraConfig lora;
  lora.rank = 8;
  lora.layers = 1;
  Adapter adapter(shape, lora, 1, test_device());
  adapter.refresh(type);

  const TokenTree tree = tree_of_answers();
  std::vector<int32_t> nodes(static_cast<size_t>(tree.size()));
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i] = static_cast<int32_t>(i);
  const int64_t read = 160;
  const EdgeIndex edges = {at::arange(100, 100 + read), at::arange(read), at::arange(read)};

  Measured measured;
  auto live = std::make_shared<LiveBytes>();
  int64_t block_keys = 0;
  {
    const c10::DebugInfoGuard counting(c10::DebugInfoKind::PROFILER_STATE, live);
    const TokenRows rows = token_rows(tree, nodes, packed_block_rows, shape, test_device());
    block_keys = rows.plan.keys_BU.size(1);
    const at::Tensor hidden = model.hidden(rows, &adapter);
    const double before_head = live->now() - static_cast<double>(hidden.nbytes());
    const at::Tensor loss = edge_log_probs(model, hidden, edges).sum();
    measured.kept = before_head;
    const torch::autograd::variable_list leaves(adapter.leaves().begin(), adapter.leaves().end());
    const auto gradients = torch::autograd::grad({loss}, leaves);
    measured.most = live->most();
  }

  StepLoad load{tree.size(), block_keys - 32, read, 1, 1};
  RankLayout layout;
  layout.compute_bytes = static_cast<double>(c10::elementSize(type));
  layout.panels = multiplies_in_panels(test_device(), type);
  const RankMemory memory = rank_memory(shape, lora, load, layout);
  measured.predicted_kept = memory.activations;
  measured.predicted_most = memory.activations + std::max(memory.vocabulary, memory.workspace);
  // The head in the compute type is made in this pass; the model counts it with the embedding.
  if (type != at::kFloat)
    measured.predicted_most += 2.0 * static_cast<double>(shape.vocabulary * shape.width);
  return measured;
}

class LlamaMemory : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(LlamaMemory, IsWhatPlansSay) {
  const Measured measured = measure(GetParam());
  EXPECT_NEAR(measured.predicted_kept / measured.kept, 1, 0.01);
  EXPECT_NEAR(measured.predicted_most / measured.most, 1, 0.03);
}

INSTANTIATE_TEST_SUITE_P(Types, LlamaMemory, ::testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace apportion
