#include "worker/train/full_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"

namespace apportion {

FullPass::FullPass(const Llama& model, std::vector<PassItem> items, Recompute recompute,
                   WeightGradient& gradient)
    : BlockPass(model, nullptr, std::move(items), recompute),
      gradient_(gradient),
      index_(gradient.index()),
      d_stream_(items_.size()),
      d_block_(items_.size()),
      d_norms_(items_.size()) {}

std::vector<at::Tensor> FullPass::backward(const std::vector<at::Tensor>& d_log_prob_E) {
  head_backward(d_log_prob_E);
  model_.blocks().walk(
      Direction::backward, static_cast<int>(bunches_.size()),
      [&](int64_t layer, int index) { block_backward(layer, static_cast<size_t>(index)); },
      [&](int64_t layer) {
        gradient_.add(index_.block(layer), tree_sum(std::move(d_block_)));
        d_block_.assign(items_.size(), at::Tensor());
      });
  embedding_backward();
  gradient_.add(index_.norms(), tree_sum(std::move(d_norms_)));
  return {};
}

std::vector<at::Tensor> FullPass::by_item(std::vector<at::Tensor> of_present) const {
  std::vector<at::Tensor> all(items_.size());
  for (size_t index = 0; index < present_.size(); ++index)
    all[present_[index]] = std::move(of_present[index]);
  return all;
}

at::Tensor& FullPass::norms_of(size_t item) {
  if (!d_norms_[item].defined()) d_norms_[item] = gradient_.empty_run(index_.norms());
  return d_norms_[item];
}

void FullPass::head_backward(const std::vector<at::Tensor>& d_log_prob_E) {
  std::vector<at::Tensor> d_logits_RV = logits_gradients(d_log_prob_E), hidden_RC;
  const std::vector<at::Tensor> d_hidden_RC = model_.vocabulary().logits_backward(d_logits_RV);
  for (size_t item : present_) hidden_RC.push_back(state_[item].head.out_TC.detach());
  model_.vocabulary().head_gradient(
      by_item(hidden_RC), by_item(std::move(d_logits_RV)),
      [&](size_t chunk, const at::Tensor& d_VC) { gradient_.add_tensor(index_.head(chunk), d_VC); });
  run_lanes(static_cast<int>(present_.size()), model_.device(), [&](int lane) {
    const auto index = static_cast<size_t>(lane);
    const size_t item = present_[index];
    Step head = std::exchange(state_[item].head, {});
    auto found =
        torch::autograd::grad({head.out_TC}, {head.in_TC, model_.output_norm()}, {d_hidden_RC[index]});
    d_stream_[item] = found[0];
    gradient_.views(index_.norms(), norms_of(item)).back().copy_(found[1]);
  });
}

void FullPass::block_backward(int64_t layer, size_t bunch) {
  Step step = take_block(layer, bunch);
  const size_t item = bunches_[bunch]->items[0];  // the only one: joining would mix gradients of weights
  const BlockWeights& block = model_.blocks().at(layer);
  torch::autograd::variable_list inputs = block.leaves();
  const size_t vectors = block.vectors.size();
  inputs.push_back(step.in_TC);
  auto found = torch::autograd::grad({step.out_TC}, inputs, {d_stream_[item]});
  step = {};
  d_stream_[item] = found.back();
  const auto d_norm = gradient_.views(index_.norms(), norms_of(item));
  for (size_t i = 0; i < vectors; ++i) d_norm[vectors * static_cast<size_t>(layer) + i].copy_(found[i]);
  const size_t group = index_.block(layer);
  d_block_[item] = gradient_.empty_run(group);
  const auto d_linear = gradient_.views(group, d_block_[item]);
  for (size_t i = 0; i < d_linear.size(); ++i) d_linear[i].copy_(found[vectors + i]);
}

void FullPass::embedding_backward() {
  std::vector<at::Tensor> ids_T(items_.size());
  for (const auto& bunch : bunches_) ids_T[bunch->items[0]] = bunch->rows->ids_T;
  model_.vocabulary().embedding_gradient(ids_T, d_stream_, [&](size_t chunk, const at::Tensor& d_VC) {
    gradient_.add_tensor(index_.embedding(chunk), d_VC);
  });
}

}  // namespace apportion
