#include "worker/train/trainer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/losses/dpo.h"
#include "worker/losses/kto.h"
#include "worker/losses/path_log_probs.h"
#include "worker/losses/sft.h"
#include "worker/losses/steering_kl.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"
#include "worker/train/schedule.h"

namespace apportion {
namespace {

/// log q_j of each prompt's categories: of their steering tokens, or summed over their paths. [I, K]
at::Tensor category_log_probs(const MicroBatch& batch, const at::Tensor& log_prob_E) {
  if (batch.paths.weight_A.numel() > 0) {
    return path_log_probs(log_prob_E, batch.paths, batch.target_IK.size(0), batch.target_IK.size(1));
  }
  return log_prob_E.index_select(0, batch.steering_IK.flatten()).view(batch.steering_IK.sizes());
}

/// Stage 1's weights without those of the first position, which the KL owns. [E]
at::Tensor text_weights(const MicroBatch& batch) {
  return batch.sft_weight_E.index_fill(0, batch.steering_IK.flatten(), 0);
}

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
}

/// AdamW for a loss of weighted terms. A common factor of the weights changes none of its steps (but for
/// epsilon), so clip_norm is for a largest weight of 1. Clipped at 1 as it stands, every gradient of stage 2
/// (norms of 2 to 46) would have one length however near the target, and the shares would swing about it for
/// as long as the rate lasts.
OptimizerConfig of_weighted_terms(OptimizerConfig optimizer, const CalibrateConfig& config) {
  const double kto = config.kto_weight, text = kto > 0 ? config.text_weight : 0;
  optimizer.clip_norm *= std::max({config.kl_weight, text, kto});
  return optimizer;
}

/// Throws UserError when a kept reference is not one of these edges.
void check_reference(const std::vector<at::Tensor>& reference, const std::vector<at::Tensor>& log_prob_E) {
  for (size_t m = 0; m < log_prob_E.size(); ++m) {
    const int64_t kept = reference[m].defined() ? reference[m].numel() : 0,
                  wanted = log_prob_E[m].defined() ? log_prob_E[m].numel() : 0;
    if (kept == wanted) continue;
    throw UserError("the kept reference has " + std::to_string(kept) + " log-probs for a micro-batch of " +
                    std::to_string(wanted) + " edges: remove the folder reference of the results");
  }
}

}  // namespace

Trainer::Trainer(const Llama& model, Adapter& adapter, const std::vector<TrainPrompt>& prompts,
                 const BatchConfig& batch, const OptimizerConfig& optimizer, uint64_t seed,
                 Collectives& collectives, std::function<void(const StepReport&)> report,
                 TrainCheckpoint* checkpoint, Recompute recompute)
    : Trainer(model, train_adapter(model, adapter), prompts, batch, optimizer, seed, collectives,
              std::move(report), checkpoint, recompute) {}

Trainer::Trainer(const Llama& model, std::unique_ptr<Trainee> trainee,
                 const std::vector<TrainPrompt>& prompts, const BatchConfig& batch,
                 const OptimizerConfig& optimizer, uint64_t seed, Collectives& collectives,
                 std::function<void(const StepReport&)> report, TrainCheckpoint* checkpoint,
                 Recompute recompute)
    : model_(model),
      trainee_(std::move(trainee)),
      prompts_(prompts),
      batch_(batch),
      optimizer_config_(optimizer),
      schedule_(subjects_in(prompts), batch.batch_prompts, seed),
      collectives_(collectives),
      report_(std::move(report)),
      checkpoint_(checkpoint),
      recompute_(recompute) {
  trainee_->refresh();
}

Trainer::Forward Trainer::forward(int batch, const Packing& packing, BlockPass::Gradient gradient) const {
  const std::vector<int>& members = schedule_.batch(batch);
  const auto parts = split_batch(prompts_, members, batch_.micro_batches);
  const auto range = micro_batches_of(collectives_.group_rank(), collectives_.size(), batch_.micro_batches);
  Forward out;
  out.batches.resize(static_cast<size_t>(range.last - range.first));
  std::vector<PassItem> items(out.batches.size());
  std::vector<int> turns = {packing.text_turn};  // of the parts' first members, whichever rank has them
  for (const auto& part : parts) turns.push_back(turns.back() + static_cast<int>(part.size()));
  run_lanes(static_cast<int>(items.size()), model_.device(), [&](int m) {
    const size_t index = static_cast<size_t>(range.first) + static_cast<size_t>(m);
    const auto& part = parts[index];
    if (part.empty()) return;
    Packing own = packing;
    own.text_turn = turns[index];
    MicroBatch& packed = out.batches[static_cast<size_t>(m)];
    packed = pack_micro_batch(prompts_, members, part, own, model_.shape().context_length, model_.device());
    items[static_cast<size_t>(m)] = {&packed.rows, &packed.edges};
  });
  out.pass = trainee_->pass(std::move(items), recompute_);
  out.log_prob_E = out.pass->forward(gradient);
  return out;
}

std::vector<double> Trainer::sums_over_group(const std::vector<double>& own, size_t columns) const {
  std::vector<double> all = collectives_.all_gather(own), sums(columns, 0.0);
  for (size_t i = 0; i < all.size(); ++i) sums[i % columns] += all[i];
  return sums;
}

double Trainer::sum_over_group(const std::vector<double>& own) const { return sums_over_group(own, 1)[0]; }

at::Tensor Trainer::common_error(const Forward& pass, double prompts) const {
  const size_t categories = prompts_.front().target.size();
  std::vector<double> own;
  for (size_t m = 0; m < pass.batches.size(); ++m) {
    if (!pass.log_prob_E[m].defined()) continue;
    at::Tensor q_IK = category_log_probs(pass.batches[m], pass.log_prob_E[m]).exp();
    at::Tensor error_K = (q_IK - pass.batches[m].target_IK).sum(0).to(at::kCPU, at::kDouble);
    const double* error = error_K.const_data_ptr<double>();
    own.insert(own.end(), error, error + categories);
  }
  at::Tensor mean_K = at::tensor(sums_over_group(own, categories)).div_(prompts);
  return mean_K.to(model_.device(), at::kFloat);
}

Optimizer Trainer::make_optimizer(OptimizerKind kind) {
  OptimizerConfig config = optimizer_config_;
  config.kind = kind;
  return {config, trainee_->values(), trainee_->holders(), trainee_->matrices(), &collectives_};
}

int Trainer::first_step(Optimizer& optimizer, int steps) {
  const int step = checkpoint_ ? checkpoint_->load(state(optimizer), steps) : 0;
  if (step > 0) trainee_->refresh();
  return step;
}

void Trainer::run_sft(const SftConfig& config) {
  Packing packing{AnswerSet::accepted, config.weights, {}, config.text_weight};
  const bool steered_split =
      config.weights == SftWeights::split && prompts_.front().style == AnswerStyle::steered;
  if (steered_split) packing.text_every = config.text_every;
  Optimizer optimizer = make_optimizer(config.optimizer);
  for (int step = first_step(optimizer, config.steps);; ++step) {
    const StageEnd end = stage_end(config.stop, log_, schedule_.batches(), config.steps);
    if (step >= end.steps) break;
    const double started = seconds_now();
    const int batch = schedule_.batch_of_step(step);
    packing.text_turn = step / schedule_.batches() + schedule_.prompts_before(batch);
    Forward pass = forward(batch, packing, BlockPass::Gradient::wanted);
    std::vector<double> own;
    for (const MicroBatch& part : pass.batches) own.push_back(part.sft_normalizer);
    const double normalizer = sum_over_group(own);
    const auto prompts = static_cast<double>(schedule_.batch(batch).size());
    const at::Tensor error_K = steered_split ? common_error(pass, prompts) : at::Tensor();
    auto loss_of = [&](size_t m) -> Loss {
      const MicroBatch& part = pass.batches[m];
      at::Tensor loss = sft_loss(pass.log_prob_E[m], part.sft_weight_E, normalizer);
      if (!steered_split) return {loss};
      at::Tensor q_IK = category_log_probs(part, pass.log_prob_E[m]);
      return {loss + (1 - config.common_weight) * common_error_term(q_IK, error_K, prompts)};
    };
    StepReport report{step, end.steps};
    report.lr = learning_rate(optimizer_config_, config.learning_rate, step, config.steps, end);
    finish_step(optimizer, pass, loss_of, report, started);
  }
}

void Trainer::keep_reference(ReferencePlace place, TrainCheckpoint::Say say) {
  kept_reference_.emplace(std::move(place), batch_.micro_batches, collectives_, std::move(say));
}

Reference Trainer::reference_of(int steps, const Packing& packing) {
  std::vector<int> batches;  // in the order of their first use
  for (int step = 0; step < std::min(steps, schedule_.batches()); ++step) {
    batches.push_back(schedule_.batch_of_step(step));  // an epoch takes each once
  }
  Reference reference = kept_reference_ ? kept_reference_->load(batches) : Reference{};
  for (auto& [batch, parts] : reference) {
    for (at::Tensor& part : parts) {
      if (part.defined()) part = part.to(model_.device());
    }
  }
  if (reference.size() == batches.size()) return reference;
  for (int batch : batches) {
    if (reference.count(batch)) continue;
    reference[batch] = forward(batch, packing, BlockPass::Gradient::none).log_prob_E;
    collectives_.barrier();  // a rank with fewer micro-batches must not run ahead by a whole time-out
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

void Trainer::estimate_z(const Forward& pass, const std::vector<at::Tensor>& reference, double prompts,
                         StepReport& report) const {
  std::vector<double> own;
  for (size_t m = 0; m < pass.batches.size(); ++m) {
    if (!pass.log_prob_E[m].defined()) continue;
    const AnswerEdges& mismatched = pass.batches[m].mismatched;
    at::Tensor r_A = log_ratios(pass.log_prob_E[m].detach(), reference[m], mismatched);
    own.push_back((r_A * mismatched.weight_A).sum().item<double>());
  }
  report.z_unclamped = sum_over_group(own) / prompts;
  report.z = std::max(0.0, report.z_unclamped);
}

void Trainer::run_calibrate(const CalibrateConfig& config) {
  const bool kto = config.kto_weight > 0;
  if (kto) need_two_prompts();
  const Packing packing{kto ? AnswerSet::accepted_rejected_mismatched : AnswerSet::none, SftWeights::split,
                        config.kto};
  Reference reference = kto ? reference_of(config.steps, packing) : Reference{};
  Optimizer optimizer(of_weighted_terms(optimizer_config_, config), trainee_->values(), trainee_->holders());
  for (int step = first_step(optimizer, config.steps); step < config.steps; ++step) {
    const double started = seconds_now();
    const int batch = schedule_.batch_of_step(step);
    const auto prompts = static_cast<double>(schedule_.batch(batch).size());
    const std::vector<at::Tensor>& own_reference = reference[batch];
    Forward pass = forward(batch, packing, BlockPass::Gradient::wanted);
    if (kto) check_reference(own_reference, pass.log_prob_E);
    StepReport report{step, config.steps};
    report.lr = learning_rate(optimizer_config_, config.learning_rate, step, config.steps);
    if (kto) estimate_z(pass, own_reference, prompts, report);
    auto loss_of = [&](size_t m) -> Loss {
      const MicroBatch& part = pass.batches[m];
      at::Tensor kl = steering_kl(category_log_probs(part, pass.log_prob_E[m]), part.target_IK, prompts);
      if (!kto) return {config.kl_weight * kl};
      at::Tensor r_A = log_ratios(pass.log_prob_E[m], own_reference[m], part.answers);
      at::Tensor kto_term = kto_loss(r_A, part.answers, report.z, config.kto, prompts);
      at::Tensor text = sft_loss(pass.log_prob_E[m], text_weights(part), prompts);
      return {config.kl_weight * kl + config.text_weight * text + config.kto_weight * kto_term,
              kto_term.item<double>()};
    };
    finish_step(optimizer, pass, loss_of, report, started);
  }
}

void Trainer::run_dpo(const CalibrateConfig& config) {
  const Packing packing{AnswerSet::pairs};
  Reference reference = reference_of(config.steps, packing);
  Optimizer optimizer = make_optimizer();
  for (int step = first_step(optimizer, config.steps); step < config.steps; ++step) {
    const double started = seconds_now();
    const int batch = schedule_.batch_of_step(step);
    const auto prompts = static_cast<double>(schedule_.batch(batch).size());
    const std::vector<at::Tensor>& own_reference = reference[batch];
    Forward pass = forward(batch, packing, BlockPass::Gradient::wanted);
    check_reference(own_reference, pass.log_prob_E);
    auto loss_of = [&](size_t m) -> Loss {
      const MicroBatch& part = pass.batches[m];
      at::Tensor accepted_r_Q = log_ratios(pass.log_prob_E[m], own_reference[m], part.preferred);
      at::Tensor rejected_r_Q = log_ratios(pass.log_prob_E[m], own_reference[m], part.dispreferred);
      return {dpo_loss(accepted_r_Q, rejected_r_Q, part.preferred.weight_A, config.kto.beta, prompts)};
    };
    StepReport report{step, config.steps};
    report.lr = learning_rate(optimizer_config_, config.learning_rate, step, config.steps);
    finish_step(optimizer, pass, loss_of, report, started);
  }
}

void Trainer::finish_step(Optimizer& optimizer, Forward& forward, const std::function<Loss(size_t)>& loss_of,
                          StepReport report, double started) {
  // Columns gathered over the group: loss, kto, kl, coverage, prompts, tokens, FLOPs; one row a micro-batch.
  constexpr size_t columns = 7;
  std::vector<at::Tensor> d_log_prob_E(forward.batches.size());
  std::vector<double> own(forward.batches.size() * columns, 0.0);
  for (size_t m = 0; m < forward.batches.size(); ++m) {
    at::Tensor& log_prob_E = forward.log_prob_E[m];
    if (!log_prob_E.defined()) continue;
    const MicroBatch& batch = forward.batches[m];
    at::Tensor q_IK = category_log_probs(batch, log_prob_E);
    log_prob_E.set_requires_grad(true);
    const Loss loss = loss_of(m);
    d_log_prob_E[m] = torch::autograd::grad({loss.total}, {log_prob_E})[0];
    const PassSize size{batch.tree_tokens, batch.rows.plan.pairs, batch.edges.rows_R.size(0)};
    const std::array<double, columns> row = {loss.total.item<double>(),
                                             loss.kto,
                                             steering_kl(q_IK, batch.target_IK, 1).item<double>(),
                                             steering_coverage(q_IK).sum().item<double>(),
                                             static_cast<double>(batch.prompts),
                                             static_cast<double>(batch.tree_tokens),
                                             trainee_->flops(size)};
    std::copy(row.begin(), row.end(), own.begin() + static_cast<int64_t>(m * columns));
  }
  micro_batches_ += static_cast<int64_t>(forward.batches.size());
  at::Tensor total =
      trainee_->gradient(forward.pass->backward(d_log_prob_E), batch_.micro_batches, collectives_);
  report.grad_norm = optimizer.step(trainee_->values(), total, report.lr);
  trainee_->refresh();

  const std::vector<double> sums = sums_over_group(own, columns);
  report.loss = sums[0];
  report.kto = sums[1];
  // Plain answers are not told by category.
  const bool steered = prompts_.front().style != AnswerStyle::plain;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  report.kl = steered ? sums[2] / sums[4] : none;
  report.coverage = steered ? sums[3] / sums[4] : none;
  report.tokens = sums[5];
  report.flops = sums[6];
  report.seconds = seconds_now() - started;
  append(log_, report);
  report_(report);
  if (checkpoint_) checkpoint_->after_step(state(optimizer), report.step + 1, report.steps);
}

}  // namespace apportion
