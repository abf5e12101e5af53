#include "worker/train/block_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "shared/base/error.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

at::Tensor leaf(const at::Tensor& values) { return values.detach().set_requires_grad(true); }

}  // namespace

BlockPass::BlockPass(const Llama& model, const Adapter& adapter, std::vector<PassItem> items,
                     Recompute recompute)
    : BlockPass(model, &adapter, std::move(items), recompute) {}

BlockPass::BlockPass(const Llama& model, const Adapter* adapter, std::vector<PassItem> items,
                     Recompute recompute)
    : model_(model),
      items_(std::move(items)),
      recompute_(recompute),
      state_(items_.size()),
      adapter_(adapter) {
  for (size_t item = 0; item < items_.size(); ++item) {
    if (items_[item].rows) present_.push_back(item);
    state_[item].blocks.resize(static_cast<size_t>(model.shape().layers));
  }
}

at::Tensor BlockPass::run_block(int64_t layer, size_t item, const at::Tensor& x_TC) {
  return model_.block(layer, x_TC, *items_[item].rows, adapter_);
}

at::Tensor BlockPass::head_rows(size_t item, const at::Tensor& x_TC) const {
  return model_.final_norm(x_TC.index_select(0, items_[item].edges->rows_R));
}

std::vector<at::Tensor> BlockPass::forward(Gradient gradient) {
  const bool wanted = gradient == Gradient::wanted, keeps_graph = wanted && recompute_ == Recompute::never;
  const auto count = static_cast<int>(present_.size());
  std::vector<at::Tensor> ids_T, x_TC, hidden_RC(present_.size());
  for (size_t item : present_) ids_T.push_back(items_[item].rows->ids_T);
  x_TC = model_.vocabulary().embed(ids_T);
  model_.walk(Direction::forward, count, [&](int64_t layer, int index) {
    at::AutoGradMode mode(keeps_graph);
    at::Tensor& x = x_TC[static_cast<size_t>(index)];
    const size_t item = present_[static_cast<size_t>(index)];
    at::Tensor in = keeps_graph && goes_below(layer) ? leaf(x) : x;
    at::Tensor out = run_block(layer, item, in);
    if (wanted) state_[item].blocks[static_cast<size_t>(layer)] = {in, keeps_graph ? out : at::Tensor()};
    x = out.detach();
  });
  for (size_t index = 0; index < present_.size(); ++index) {
    at::AutoGradMode mode(wanted);
    Step& head = state_[present_[index]].head;
    head.in_TC = wanted ? leaf(x_TC[index]) : x_TC[index];
    head.out_TC = head_rows(present_[index], head.in_TC);
    hidden_RC[index] = head.out_TC.detach();
  }
  std::vector<at::Tensor> logits_RV = model_.vocabulary().logits(hidden_RC), log_prob_E(items_.size());
  run_lanes(count, model_.device(), [&](int index) {
    const size_t item = present_[static_cast<size_t>(index)];
    at::Tensor log_probs_RV = std::exchange(logits_RV[static_cast<size_t>(index)], {}).log_softmax(-1);
    log_prob_E[item] = pick_edges(log_probs_RV, *items_[item].edges);
    if (wanted) state_[item].log_probs_RV = log_probs_RV;
  });
  return log_prob_E;
}

std::vector<at::Tensor> BlockPass::logits_gradients(const std::vector<at::Tensor>& d_log_prob_E) {
  std::vector<at::Tensor> d_logits_RV(present_.size());
  run_lanes(static_cast<int>(present_.size()), model_.device(), [&](int index) {
    const size_t item = present_[static_cast<size_t>(index)];
    d_logits_RV[static_cast<size_t>(index)] = logits_gradient(state_[item].log_probs_RV, *items_[item].edges,
                                                              d_log_prob_E[item], model_.compute_type());
    state_[item].log_probs_RV.reset();
  });
  return d_logits_RV;
}

std::vector<at::Tensor> BlockPass::backward(const std::vector<at::Tensor>& d_log_prob_E) {
  const auto count = static_cast<int>(present_.size());
  std::vector<at::Tensor> d_TC(present_.size()), gradients;
  for (const PassItem& item : items_) {  // of a present one the blocks write every value
    gradients.push_back(item.rows ? at::empty_like(adapter_->values()) : at::zeros_like(adapter_->values()));
  }
  std::vector<at::Tensor> d_logits_RV = logits_gradients(d_log_prob_E);
  std::vector<at::Tensor> d_hidden_RC = model_.vocabulary().logits_backward(d_logits_RV);
  d_logits_RV.clear();
  for (size_t index = 0; index < present_.size(); ++index) {
    Step head = std::exchange(state_[present_[index]].head, {});
    d_TC[index] = torch::autograd::grad({head.out_TC}, {head.in_TC}, {d_hidden_RC[index]})[0];
  }
  model_.walk(Direction::backward, count, [&](int64_t layer, int index) {
    const size_t item = present_[static_cast<size_t>(index)];
    block_backward(layer, item, d_TC[static_cast<size_t>(index)], gradients[item]);
  });
  return gradients;
}

BlockPass::Step BlockPass::take_block(int64_t layer, size_t item) {
  at::AutoGradMode mode(true);
  Step step = std::exchange(state_[item].blocks[static_cast<size_t>(layer)], {});
  if (!step.out_TC.defined()) {
    if (goes_below(layer)) step.in_TC = leaf(step.in_TC);
    step.out_TC = run_block(layer, item, step.in_TC);
  }
  return step;
}

void BlockPass::block_backward(int64_t layer, size_t item, at::Tensor& d_TC, at::Tensor& gradient) {
  Step step = take_block(layer, item);
  torch::autograd::variable_list inputs;
  for (const at::Tensor& values : adapter_->leaves_of(layer)) inputs.push_back(values);
  const size_t leaves = inputs.size();
  if (layer > 0) inputs.push_back(step.in_TC);
  if (!step.out_TC.requires_grad()) return;  // the first block without an adapter
  auto found = torch::autograd::grad({step.out_TC}, inputs, {d_TC});
  for (size_t i = 0; i < leaves; ++i) {
    gradient.narrow(0, inputs[i].storage_offset(), found[i].numel()).copy_(found[i].flatten());
  }
  if (layer > 0) d_TC = found.back();
}

}  // namespace apportion
