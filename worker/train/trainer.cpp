#include "worker/train/trainer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/losses/steering_kl.h"
#include "worker/models/queued_copy.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"
#include "worker/train/schedule.h"

namespace apportion {
namespace {

/// The columns of a micro-batch's row of figures; rows are summed over the group.
enum Figure : size_t {
  loss_sum,
  kto_sum,
  retain_sum,
  kl_sum,
  coverage_sum,
  prompt_count,
  token_count,
  flop_count,
  figures
};

void append(TrainLog& log, const StepReport& report) {
  log.step.push_back(report.step);
  log.loss.push_back(report.loss);
  log.kl.push_back(report.kl);
  log.kto.push_back(report.kto);
  log.z.push_back(report.z);
  log.z_unclamped.push_back(report.z_unclamped);
  log.coverage.push_back(report.coverage);
  log.grad_norm.push_back(report.grad_norm);
  log.lr.push_back(report.lr);
  log.tokens.push_back(report.tokens);
  log.seconds.push_back(report.seconds);
  log.retain.push_back(report.retain);
}

/// Sums of each column; `rows` holds rows of `columns` values one after another.
std::vector<double> column_sums(const std::vector<double>& rows, size_t columns) {
  std::vector<double> sums(columns, 0.0);
  for (size_t i = 0; i < rows.size(); ++i) sums[i % columns] += rows[i];
  return sums;
}

/// The values of float32 tensors one after another; the host waits once for all of them.
std::vector<double> host_values(const std::vector<at::Tensor>& tensors) {
  if (tensors.empty()) return {};
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.detach().reshape({tensor.numel()}));
  const at::Tensor host = at::cat(flat).to(at::kCPU).to(at::kDouble);
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel()};
}

/// Throws UserError when a kept reference does not fit these edges.
void check_reference(const at::Tensor& reference_E, const at::Tensor& log_prob_E) {
  const int64_t kept = reference_E.defined() ? reference_E.numel() : 0,
                wanted = log_prob_E.defined() ? log_prob_E.numel() : 0;
  if (kept == wanted) return;
  throw UserError("the kept reference has " + std::to_string(kept) + " log-probs for a micro-batch of " +
                  std::to_string(wanted) + " edges: remove the folder reference of the results");
}

}  // namespace

Trainer::Trainer(const TrainerSetup& setup, Adapter& adapter)
    : Trainer(setup, train_adapter(setup.model, adapter)) {}

Trainer::Trainer(TrainerSetup setup, std::unique_ptr<Trainee> trainee)
    : setup_(std::move(setup)),
      trainee_(std::move(trainee)),
      schedule_(subjects_in(setup_.prompts), setup_.batch.batch_prompts, setup_.seed) {
  trainee_->refresh();
}

void Trainer::add_base_rows(const std::vector<int>& replay, MicroBatch& packed) const {
  std::vector<at::Tensor> hidden;
  for (int row : replay) hidden.push_back(setup_.replay->base_hidden(row));
  if (!hidden.empty()) packed.kept.base_hidden_NC = at::cat(hidden);
}

Trainer::Forward Trainer::forward(int batch, const Packing& packing, BlockPass::Gradient gradient,
                                  const Joining& joining) const {
  const std::vector<int>& members = schedule_.batch(batch);
  const int micro_batches = setup_.batch.micro_batches;
  const auto parts = split_batch(setup_.prompts, members, micro_batches);
  const auto range =
      micro_batches_of(setup_.collectives.group_rank(), setup_.collectives.size(), micro_batches);
  Forward out;
  out.batches.resize(static_cast<size_t>(range.last - range.first));
  std::vector<PassItem> items(out.batches.size());
  std::vector<int> turns = {packing.text_turn};  // of each part's first member, whichever rank has it
  for (const auto& part : parts) turns.push_back(turns.back() + static_cast<int>(part.size()));
  run_lanes(static_cast<int>(items.size()), setup_.model.device(), [&](int m) {
    const size_t index = static_cast<size_t>(range.first) + static_cast<size_t>(m);
    const auto& part = parts[index];
    if (part.empty()) return;
    Packing own = packing;
    own.text_turn = turns[index];
    MicroBatch& packed = out.batches[static_cast<size_t>(m)];
    const std::vector<int> kept = joining.replay.empty() ? std::vector<int>() : joining.replay[index];
    JoiningRows rows;
    for (int row : kept) rows.replay.push_back(&setup_.replay->row(row));
    if (!joining.stories.empty()) rows.stories = joining.stories[index];
    packed = pack_micro_batch(setup_.prompts, members, part, own, setup_.model.shape(), at::kCPU, rows);
    add_base_rows(kept, packed);
    items[static_cast<size_t>(m)] = {&packed.rows, &packed.edges, &packed.kept};
  });
  std::vector<at::Tensor*> moving;  // without the rows, which the pass joins first
  for (MicroBatch& packed : out.batches) {
    for (at::Tensor* tensor : tensors_of(packed)) moving.push_back(tensor);
  }
  move_together(moving, setup_.model.device());
  out.pass = trainee_->pass(std::move(items), setup_.recompute);
  out.log_prob_E = out.pass->forward(gradient, joining.replay.empty() ? nullptr : setup_.replay->head());
  return out;
}

int Trainer::first_step(Optimizer& optimizer, int steps) {
  const int step = setup_.checkpoint ? setup_.checkpoint->load(state(optimizer), steps) : 0;
  if (step > 0) trainee_->refresh();
  return step;
}

void Trainer::keep_reference(ReferencePlace place, TrainCheckpoint::Say say) {
  kept_reference_.emplace(std::move(place), setup_.batch.micro_batches, setup_.collectives, std::move(say));
}

Reference Trainer::reference_of(int steps, const Packing& packing) {
  std::vector<int> batches;  // in the order of their first use
  for (int step = 0; step < std::min(steps, schedule_.batches()); ++step) {
    batches.push_back(schedule_.batch_of_step(step));  // an epoch takes each once
  }
  Reference reference = kept_reference_ ? kept_reference_->load(batches) : Reference{};
  for (auto& [batch, parts] : reference) {
    for (at::Tensor& part : parts) {
      if (part.defined()) part = part.to(setup_.model.device());
    }
  }
  if (reference.size() == batches.size()) return reference;
  for (int batch : batches) {
    if (reference.count(batch)) continue;
    if (setup_.reference_told)
      setup_.reference_told(static_cast<int64_t>(reference.size()), static_cast<int64_t>(batches.size()));
    reference[batch] = forward(batch, packing, BlockPass::Gradient::none).log_prob_E;
    setup_.collectives.barrier();  // so no rank with fewer micro-batches runs ahead by a whole time-out
  }
  if (kept_reference_) kept_reference_->save(batches, reference);
  return reference;
}

void Trainer::need_two_prompts() const {
  for (int batch = 0; batch < schedule_.batches(); ++batch) {
    if (schedule_.batch(batch).size() > 1) continue;
    throw UserError(
        "KTO needs at least 2 prompts in every batch: with one, no mismatched pair exists; raise "
        "batch_prompts or the number of prompts");
  }
}

void Trainer::run_sft(const SftConfig& config) {
  run(sft_objective(config, setup_.optimizer, setup_.prompts.front().style));
}

void Trainer::run_calibrate(const CalibrateConfig& config) {
  run(calibrate_objective(config, setup_.optimizer));
}

void Trainer::run_dpo(const CalibrateConfig& config) { run(dpo_objective(config, setup_.optimizer)); }

void Trainer::run(const Objective& objective) {
  if (objective.needs_two_prompts) need_two_prompts();
  const Reference reference =
      objective.needs_reference ? reference_of(objective.steps, objective.packing) : Reference{};
  Optimizer optimizer(objective.optimizer, trainee_->values(), trainee_->holders(), trainee_->matrices(),
                      &setup_.collectives);
  for (int step = first_step(optimizer, objective.steps);; ++step) {
    const StageEnd end = stage_end(objective.stop, log_, schedule_.batches(), objective.steps);
    if (step >= end.steps) return;
    if (setup_.checkpoint) setup_.checkpoint->pause_if_asked(state(optimizer), step, end.steps);
    StepReport report{step, end.steps};
    report.lr = learning_rate(objective.optimizer, objective.learning_rate, step, objective.steps, end);
    run_step(objective, optimizer, reference, report);
  }
}

void Trainer::run_step(const Objective& objective, Optimizer& optimizer, const Reference& reference,
                       StepReport report) {
  const double started = seconds_now();
  const int batch = schedule_.batch_of_step(report.step);
  Packing packing = objective.packing;
  packing.text_turn = report.step / schedule_.batches() + schedule_.prompts_before(batch);
  Joining joining;
  if (setup_.stories) joining.stories = setup_.stories->parts_of(report.step, setup_.batch.micro_batches);
  if (setup_.replay) {
    joining.replay = setup_.replay->parts_of(report.step, setup_.batch.micro_batches);
    packing.replay_text_weight = setup_.replay->text_weight();
  }
  Forward pass = forward(batch, packing, BlockPass::Gradient::wanted, joining);
  std::vector<MicroBatchPass> parts;
  for (size_t m = 0; m < pass.batches.size(); ++m) {
    parts.push_back({pass.batches[m], {}, {}, {}, {}});
    if (!pass.log_prob_E[m].defined()) continue;
    const int64_t edges = pass.batches[m].edges.row_E.size(0),
                  prompt_edges = edges - pass.batches[m].story_weight_S.size(0);
    parts[m].log_prob_E = pass.log_prob_E[m].slice(0, 0, prompt_edges);
    parts[m].story_log_prob_S = pass.log_prob_E[m].slice(0, prompt_edges, edges);
    parts[m].kept_kl_N = pass.log_prob_E[m].slice(0, edges);
    if (!objective.needs_reference) continue;
    parts[m].reference_E = reference.at(batch)[m];
    check_reference(parts[m].reference_E, parts[m].log_prob_E);
  }
  const BatchTotals totals = totals_of(objective, parts, batch);
  if (objective.reference_point) {
    const ReferencePoint point = objective.reference_point(totals);
    report.z = point.z;
    report.z_unclamped = point.unclamped;
  }
  std::vector<ComputedFigures> computed;
  const std::vector<at::Tensor> d_log_prob_E = losses(objective, parts, totals, computed);
  micro_batches_ += static_cast<int64_t>(parts.size());
  at::Tensor total =
      trainee_->gradient(pass.pass->backward(d_log_prob_E), setup_.batch.micro_batches, setup_.collectives);
  report.grad_norm = optimizer.step(trainee_->values(), total, report.lr);
  finish_step(optimizer, figures_of(objective, parts, computed), report, started);
}

BatchTotals Trainer::totals_of(const Objective& objective, const std::vector<MicroBatchPass>& parts,
                               int batch) const {
  BatchTotals totals{static_cast<double>(schedule_.batch(batch).size()), {}};
  if (!objective.contribution) return totals;
  std::vector<std::vector<double>> known;
  std::vector<at::Tensor> computed;
  for (const MicroBatchPass& part : parts) {
    if (!part.log_prob_E.defined()) continue;
    Contribution row = objective.contribution(part);
    known.push_back(std::move(row.known));
    if (row.computed.defined()) computed.push_back(row.computed);
  }
  const std::vector<double> fetched = host_values(computed);
  std::vector<double> own;
  for (size_t row = 0; row < known.size(); ++row) {
    const size_t width = fetched.size() / known.size();
    own.insert(own.end(), known[row].begin(), known[row].end());
    const auto first = fetched.begin() + static_cast<int64_t>(row * width);
    own.insert(own.end(), first, first + static_cast<int64_t>(width));
  }
  const std::vector<double> all = setup_.collectives.all_gather(own);
  // One row from each micro-batch that has prompts; a rank without any does not know a row's length.
  const size_t rows =
      std::min(schedule_.batch(batch).size(), static_cast<size_t>(setup_.batch.micro_batches));
  totals.sums = column_sums(all, all.size() / rows);
  return totals;
}

std::vector<at::Tensor> Trainer::losses(const Objective& objective, std::vector<MicroBatchPass>& parts,
                                        const BatchTotals& totals, std::vector<ComputedFigures>& figures) {
  std::vector<at::Tensor> d_log_prob_E(parts.size());
  figures.resize(parts.size());
  for (size_t m = 0; m < parts.size(); ++m) {
    MicroBatchPass& part = parts[m];
    if (!part.log_prob_E.defined()) continue;
    const MicroBatch& batch = part.batch;
    at::Tensor q_IK = category_log_probs(batch, part.log_prob_E);
    part.log_prob_E.set_requires_grad(true);
    const Loss loss = objective.loss(part, totals);
    d_log_prob_E[m] = torch::autograd::grad({loss.total}, {part.log_prob_E})[0];
    figures[m][computed_loss] = loss.total;
    figures[m][computed_kto] = loss.kto;
    figures[m][computed_stories] = add_stories(objective, part, d_log_prob_E[m]);
    figures[m][computed_retain] = add_retention(objective, part, d_log_prob_E[m]);
    figures[m][computed_kl] = steering_kl(q_IK, batch.target_IK, 1);
    figures[m][computed_coverage] = steering_coverage(q_IK).sum();
  }
  return d_log_prob_E;
}

std::vector<double> Trainer::figures_of(const Objective& objective, const std::vector<MicroBatchPass>& parts,
                                        const std::vector<ComputedFigures>& computed) const {
  std::vector<at::Tensor> defined;
  for (const ComputedFigures& row : computed) {
    std::copy_if(row.begin(), row.end(), std::back_inserter(defined),
                 [](const at::Tensor& figure) { return figure.defined(); });
  }
  const std::vector<double> values = host_values(defined);
  auto next = values.begin();
  std::vector<double> own(parts.size() * figures, 0.0);
  for (size_t m = 0; m < parts.size(); ++m) {
    const MicroBatch& batch = parts[m].batch;
    if (!parts[m].log_prob_E.defined()) continue;
    std::array<double, computed_figures> found{};
    for (size_t f = 0; f < computed_figures; ++f) found[f] = computed[m][f].defined() ? *next++ : 0;
    const PassSize size{batch.tree_tokens, batch.rows.plan.pairs, batch.edges.rows_R.size(0)};
    double* row = own.data() + m * figures;
    row[loss_sum] = found[computed_loss] +
                    objective.largest_weight * setup_.retain_weight * found[computed_retain] -
                    found[computed_stories];
    row[kto_sum] = found[computed_kto];
    row[retain_sum] = found[computed_retain];
    row[kl_sum] = found[computed_kl];
    row[coverage_sum] = found[computed_coverage];
    row[prompt_count] = static_cast<double>(batch.prompts);
    row[token_count] = static_cast<double>(batch.tree_tokens);
    row[flop_count] = trainee_->flops(size);
  }
  return own;
}

at::Tensor Trainer::add_stories(const Objective& objective, const MicroBatchPass& part,
                                at::Tensor& d_E) const {
  if (part.batch.story_weight_S.numel() == 0) return {};
  const at::Tensor weight_S =
      part.batch.story_weight_S * (objective.largest_weight * setup_.stories->weight());
  d_E = at::cat({d_E, -weight_S});
  return (part.story_log_prob_S * weight_S).sum();
}

at::Tensor Trainer::add_retention(const Objective& objective, const MicroBatchPass& part,
                                  at::Tensor& d_E) const {
  if (part.batch.kept.empty()) return {};
  const at::Tensor share_N = part.batch.kept.weight_N / static_cast<double>(setup_.replay->per_step());
  d_E = at::cat({d_E, share_N * (objective.largest_weight * setup_.retain_weight)});
  return (part.kept_kl_N * share_N).sum();
}

void Trainer::finish_step(Optimizer& optimizer, const std::vector<double>& own, StepReport& report,
                          double started) {
  trainee_->refresh();
  const std::vector<double> sums = column_sums(setup_.collectives.all_gather(own), figures);
  report.loss = sums[loss_sum];
  report.kto = sums[kto_sum];
  report.retain = sums[retain_sum];
  // Plain answers have no categories.
  const bool steered = setup_.prompts.front().style != AnswerStyle::plain;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  report.kl = steered ? sums[kl_sum] / sums[prompt_count] : none;
  report.coverage = steered ? sums[coverage_sum] / sums[prompt_count] : none;
  report.tokens = sums[token_count];
  report.flops = sums[flop_count];
  report.seconds = seconds_now() - started;
  append(log_, report);
  setup_.report(report);
  if (setup_.checkpoint) setup_.checkpoint->after_step(state(optimizer), report.step + 1, report.steps);
}

}  // namespace apportion
