#include "worker/train/block_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "shared/base/error.h"
#include "worker/models/queued_copy.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

/// rows_RV[row_N] += added_NV, in the order of row_N on every device: on a GPU index_add_ has no fixed order,
/// while index_put_ sorts.
void add_rows(at::Tensor& rows_RV, const at::Tensor& row_N, const at::Tensor& added_NV) {
  if (rows_RV.is_cpu()) {
    rows_RV.index_add_(0, row_N, added_NV);
  } else {
    rows_RV.index_put_({row_N}, added_NV, /*accumulate=*/true);
  }
}

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
      adapter_(adapter),
      lowest_(adapter ? adapter->lowest_layer() : 0) {
  for (size_t item = 0; item < items_.size(); ++item) {
    if (items_[item].rows) present_.push_back(item);
  }
  make_bunches();
  block_steps_.resize(bunches_.size());
  for (auto& steps : block_steps_) steps.resize(static_cast<size_t>(model.shape().layers));
}

void BlockPass::make_bunches() {
  size_t count = present_.size();
  if (adapter_ && model_.rows_are_independent(*adapter_)) {
    const auto lanes = static_cast<size_t>(at::get_num_threads());
    const size_t fewest = (count + adapter_->parts() - 1) / adapter_->parts();
    count = std::min(count, std::max(lanes, fewest));
  } else if (adapter_ && on_gpu()) {
    // One bunch for all, if the adapter takes as many parts: the number of launches does not grow with them.
    count = (count + adapter_->parts() - 1) / adapter_->parts();
  }
  for (size_t b = 0; b < count; ++b) {
    auto bunch = std::make_unique<Bunch>();
    std::vector<const TokenRows*> parts;
    int64_t row = 0, longest = 0;  // in the bunch
    bunch->first_present = b * present_.size() / count;
    for (size_t i = bunch->first_present; i < (b + 1) * present_.size() / count; ++i) {
      bunch->items.push_back(present_[i]);
      parts.push_back(items_[present_[i]].rows);
      longest = std::max(longest, parts.back()->plan.rows);
    }
    bunch->rows = parts[0];
    if (on_gpu() || parts.size() > 1) {
      bunch->joined = join_rows(parts, on_gpu() ? longest : 0);
      bunch->rows = &bunch->joined;
    }
    if (on_gpu()) {
      move_together(tensors_of(bunch->joined), model_.device());
      model_.turn(bunch->joined);
    }
    for (size_t part = 0; part < parts.size(); ++part) {
      bunch->first_row.push_back(row);
      row += bunch->rows_of(part, items_);
    }
    bunches_.push_back(std::move(bunch));
  }
}

at::Tensor BlockPass::run_block(int64_t layer, size_t bunch, const at::Tensor& x_TC) {
  return model_.block(layer, x_TC, *bunches_[bunch]->rows, adapter_);
}

at::Tensor BlockPass::head_rows(size_t item, const at::Tensor& x_TC) const {
  return model_.final_norm(x_TC.index_select(0, items_[item].edges->rows_R));
}

std::vector<at::Tensor> BlockPass::logits_of(std::vector<at::Tensor> hidden_RC,
                                             const Vocabulary* base_head) const {
  std::vector<at::Tensor> base_NC;
  for (size_t item : present_) {
    if (keeps(item)) base_NC.push_back(items_[item].kept->base_hidden_NC);
  }
  if (!base_head) hidden_RC.insert(hidden_RC.end(), base_NC.begin(), base_NC.end());
  std::vector<at::Tensor> logits_RV = model_.vocabulary().logits(hidden_RC);
  if (!base_head) return logits_RV;
  for (at::Tensor& logits_NV : base_head->logits(base_NC)) logits_RV.push_back(std::move(logits_NV));
  return logits_RV;
}

std::vector<at::Tensor> BlockPass::forward(Gradient gradient, const Vocabulary* base_head) {
  const bool wanted = gradient == Gradient::wanted, keeps_graph = wanted && recompute_ == Recompute::never;
  const auto count = static_cast<int>(present_.size());
  std::vector<at::Tensor> ids_T, x_TC, hidden_RC(present_.size());
  for (const auto& bunch : bunches_) ids_T.push_back(bunch->rows->ids_T);
  x_TC = model_.vocabulary().embed(ids_T);
  model_.blocks().walk(Direction::forward, static_cast<int>(bunches_.size()), [&](int64_t layer, int lane) {
    const bool trained = wanted && layer >= lowest_, graph = trained && keeps_graph;
    at::AutoGradMode mode(graph);
    const auto bunch = static_cast<size_t>(lane);
    at::Tensor& x = x_TC[bunch];
    at::Tensor in = graph && goes_below(layer) ? leaf(x) : x;
    at::Tensor out = run_block(layer, bunch, in);
    if (trained) block_steps_[bunch][static_cast<size_t>(layer)] = {in, graph ? out : at::Tensor()};
    x = out.detach();
  });
  run_lanes(static_cast<int>(bunches_.size()), model_.device(), [&](int lane) {
    const auto b = static_cast<size_t>(lane);
    const at::AutoGradMode mode(wanted);
    for (size_t part = 0; part < bunches_[b]->items.size(); ++part) {
      const size_t present = bunches_[b]->first_present + part, item = present_[present];
      Step& head = state_[item].head;
      const at::Tensor rows_TC =
          x_TC[b].narrow(0, bunches_[b]->first_row[part], bunches_[b]->rows_of(part, items_));
      head.in_TC = wanted ? leaf(rows_TC) : rows_TC;
      head.out_TC = head_rows(item, head.in_TC);
      hidden_RC[present] = head.out_TC.detach();
    }
  });
  std::vector<size_t> base_of(present_.size());  // index of the base's logits, after those of the items
  size_t end = present_.size();
  for (size_t index = 0; index < present_.size(); ++index)
    base_of[index] = keeps(present_[index]) ? end++ : end;
  std::vector<at::Tensor> logits_RV = logits_of(std::move(hidden_RC), base_head), log_prob_E(items_.size());
  run_lanes(count, model_.device(), [&](int lane) {
    const auto index = static_cast<size_t>(lane);
    const size_t item = present_[index];
    const at::Tensor base = keeps(item) ? std::exchange(logits_RV[base_of[index]], {}) : at::Tensor();
    log_prob_E[item] = read_logits(item, std::exchange(logits_RV[index], {}), base, wanted);
  });
  return log_prob_E;
}

at::Tensor BlockPass::read_logits(size_t item, at::Tensor logits_RV, const at::Tensor& base_logits_NV,
                                  bool wanted) {
  if (wanted && model_.vocabulary().caps_logits()) state_[item].first_R1 = logits_RV.narrow(1, 0, 1).clone();
  at::Tensor log_probs_RV = std::exchange(logits_RV, {}).log_softmax(-1);
  at::Tensor log_prob_E = pick_edges(log_probs_RV, *items_[item].edges);
  if (base_logits_NV.defined()) {
    RetentionKl kept =
        retention_kl(log_probs_RV.index_select(0, items_[item].kept->row_N), base_logits_NV.log_softmax(-1));
    log_prob_E = at::cat({log_prob_E, kept.kl_N});
    if (wanted) state_[item].kept_NV = kept.d_logits_NV;
  }
  if (wanted) state_[item].log_probs_RV = log_probs_RV;
  return log_prob_E;
}

std::vector<at::Tensor> BlockPass::logits_gradients(const std::vector<at::Tensor>& d_log_prob_E) {
  std::vector<at::Tensor> d_logits_RV(present_.size());
  run_lanes(static_cast<int>(present_.size()), model_.device(), [&](int index) {
    const size_t item = present_[static_cast<size_t>(index)];
    const int64_t edges = items_[item].edges->row_E.size(0);
    State& state = state_[item];
    at::Tensor logits;
    if (state.first_R1.defined()) logits = logits_again(state.log_probs_RV, state.first_R1);
    at::Tensor d_logits =
        logits_gradient(state.log_probs_RV, *items_[item].edges, d_log_prob_E[item].narrow(0, 0, edges));
    if (state.kept_NV.defined()) {
      const at::Tensor d_N = d_log_prob_E[item].slice(0, edges);
      add_rows(d_logits, items_[item].kept->row_N, state.kept_NV.mul_(d_N.unsqueeze(1)));
    }
    if (logits.defined()) model_.vocabulary().uncap(d_logits, logits);
    d_logits_RV[static_cast<size_t>(index)] = d_logits.to(model_.compute_type());
    state.log_probs_RV.reset();
    state.first_R1.reset();
    state.kept_NV.reset();
  });
  return d_logits_RV;
}

std::vector<at::Tensor> BlockPass::backward(const std::vector<at::Tensor>& d_log_prob_E) {
  std::vector<at::Tensor> gradients;
  for (const PassItem& item : items_) {  // for a present one the blocks write every value
    if (!item.rows) {
      gradients.push_back(at::zeros_like(adapter_->values()));
    } else {  // on a GPU it is cut from one tensor, at the end
      gradients.push_back(on_gpu() ? at::Tensor() : at::empty_like(adapter_->values()));
    }
  }
  std::vector<at::Tensor> d_logits_RV = logits_gradients(d_log_prob_E);
  std::vector<at::Tensor> d_hidden_RC = model_.vocabulary().logits_backward(d_logits_RV), d_TC;
  d_logits_RV.clear();
  d_TC.resize(bunches_.size());
  run_lanes(static_cast<int>(bunches_.size()), model_.device(), [&](int lane) {
    const Bunch& bunch = *bunches_[static_cast<size_t>(lane)];
    std::vector<at::Tensor> parts;
    for (size_t part = 0; part < bunch.items.size(); ++part) {
      Step head = std::exchange(state_[bunch.items[part]].head, {});
      parts.push_back(
          torch::autograd::grad({head.out_TC}, {head.in_TC}, {d_hidden_RC[bunch.first_present + part]})[0]);
    }
    d_TC[static_cast<size_t>(lane)] = parts.size() > 1 ? at::cat(parts) : parts[0];
  });
  auto work = [&](int64_t layer, int lane) {
    const auto b = static_cast<size_t>(lane);
    block_backward(layer, b, d_TC[b], gradients);
  };
  model_.blocks().walk(Direction::backward, static_cast<int>(bunches_.size()), work, {}, lowest_);
  for (const auto& bunch : bunches_) {
    if (bunch->found.empty()) continue;
    std::reverse(bunch->found.begin(), bunch->found.end());  // now in the order of the values
    const at::Tensor all_PN = at::cat(std::exchange(bunch->found, {}), 1);
    for (size_t p = 0; p < bunch->items.size(); ++p)
      gradients[bunch->items[p]] = all_PN[static_cast<int64_t>(p)];
  }
  return gradients;
}

BlockPass::Step BlockPass::take_block(int64_t layer, size_t bunch) {
  at::AutoGradMode mode(true);
  Step step = std::exchange(block_steps_[bunch][static_cast<size_t>(layer)], {});
  if (!step.out_TC.defined()) {
    if (goes_below(layer)) step.in_TC = leaf(step.in_TC);
    step.out_TC = run_block(layer, bunch, step.in_TC);
  }
  return step;
}

void BlockPass::block_backward(int64_t layer, size_t bunch, at::Tensor& d_TC,
                               const std::vector<at::Tensor>& gradients) {
  Step step = take_block(layer, bunch);
  const std::vector<size_t>& items = bunches_[bunch]->items;
  torch::autograd::variable_list inputs;
  for (size_t part = on_gpu() ? items.size() - 1 : 0; part < items.size(); ++part) {
    for (const at::Tensor& values : adapter_->leaves_of(layer, part)) inputs.push_back(values);
  }
  const size_t own = inputs.size(), leaves = own / items.size();
  if (goes_below(layer)) inputs.push_back(step.in_TC);
  if (!step.out_TC.requires_grad()) return;  // the first block without an adapter
  auto found = torch::autograd::grad({step.out_TC}, inputs, {d_TC});
  if (on_gpu()) {
    for (size_t i = own; i-- > 0;)
      bunches_[bunch]->found.push_back(found[i].view({static_cast<int64_t>(items.size()), -1}));
    if (goes_below(layer)) d_TC = found.back();
    return;
  }
  for (size_t i = 0; i < leaves * items.size(); ++i) {
    gradients[items[i / leaves]]
        .narrow(0, inputs[i].storage_offset(), found[i].numel())
        .copy_(found[i].flatten());
  }
  if (goes_below(layer)) d_TC = found.back();
}

}  // namespace apportion
