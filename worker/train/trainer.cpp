#include "worker/train/trainer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/model/cost.h"
#include "worker/losses/sft.h"
#include "worker/losses/steering_kl.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"
#include "worker/train/schedule.h"

namespace apportion {
namespace {

at::Tensor steering_log_probs(const MicroBatch& batch, const at::Tensor& log_prob_E) {
  return log_prob_E.index_select(0, batch.steering_IK.flatten()).view(batch.steering_IK.sizes());
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

}  // namespace

Trainer::Trainer(const Llama& model, Adapter& adapter, const std::vector<TrainPrompt>& prompts,
                 const BatchConfig& batch, const OptimizerConfig& optimizer, uint64_t seed,
                 Collectives& collectives, std::function<void(const StepReport&)> report,
                 TrainCheckpoint* checkpoint)
    : model_(model),
      adapter_(adapter),
      prompts_(prompts),
      batch_(batch),
      optimizer_config_(optimizer),
      schedule_(static_cast<int>(prompts.size()), batch.batch_prompts, seed),
      collectives_(collectives),
      report_(std::move(report)),
      checkpoint_(checkpoint) {
  adapter_.refresh(model.compute_type());
}

std::vector<Trainer::Pass> Trainer::forward(int batch, AnswerSet answers, SftWeights weights) const {
  const std::vector<int>& members = schedule_.batch(batch);
  const auto parts = split_batch(prompts_, members, batch_.micro_batches);
  const auto range = micro_batches_of(collectives_.group_rank(), collectives_.size(), batch_.micro_batches);
  std::vector<Pass> passes(static_cast<size_t>(range.last - range.first));
  run_lanes(static_cast<int>(passes.size()), model_.device(), [&](int m) {
    const auto& part = parts[static_cast<size_t>(range.first + m)];
    if (part.empty()) return;
    Pass& pass = passes[static_cast<size_t>(m)];
    pass.batch = pack_micro_batch(prompts_, members, part, answers, weights, model_.shape().context_length,
                                  model_.device());
    at::Tensor hidden = model_.hidden(pass.batch.rows, &adapter_);
    pass.log_prob_E = edge_log_probs(model_, hidden, pass.batch.edges);
  });
  return passes;
}

at::Tensor Trainer::gradient(const at::Tensor& loss) const {
  torch::autograd::variable_list leaves(adapter_.leaves().begin(), adapter_.leaves().end());
  std::vector<at::Tensor> flat;
  for (const at::Tensor& part : torch::autograd::grad({loss}, leaves)) flat.push_back(part.flatten());
  return at::cat(flat);
}

double Trainer::sum_over_group(const std::vector<double>& own) const {
  std::vector<double> all = collectives_.all_gather(own);
  return std::accumulate(all.begin(), all.end(), 0.0);
}

int Trainer::first_step(Optimizer& optimizer, int steps) {
  const int step = checkpoint_ ? checkpoint_->load(state(optimizer), steps) : 0;
  if (step > 0) adapter_.refresh(model_.compute_type());
  return step;
}

void Trainer::run_sft(const SftConfig& config) {
  Optimizer optimizer(optimizer_config_, adapter_.values());
  for (int step = first_step(optimizer, config.steps); step < config.steps; ++step) {
    const double started = seconds_now();
    auto passes = forward(schedule_.batch_of_step(step), AnswerSet::accepted, config.weights);
    std::vector<double> own;
    for (const Pass& pass : passes) own.push_back(pass.batch.sft_normalizer);
    const double normalizer = sum_over_group(own);
    auto loss_of = [&](size_t m) -> Loss {
      return {sft_loss(passes[m].log_prob_E, passes[m].batch.sft_weight_E, normalizer)};
    };
    StepReport report{step, config.steps};
    finish_step(optimizer, config.learning_rate, passes, loss_of, report, started);
  }
}

void Trainer::run_calibrate(const CalibrateConfig& config) {
  for (int batch = 0; batch < schedule_.batches(); ++batch) {
    if (schedule_.batch(batch).size() > 1) continue;
    throw UserError(
        "stage 2 needs at least 2 prompts in every batch: with one, no mismatched pair exists; raise "
        "batch_prompts or the number of prompts");
  }
  constexpr AnswerSet answers = AnswerSet::accepted_rejected_mismatched;
  std::map<int, std::vector<at::Tensor>> reference;  // by batch
  for (int step = 0; step < config.steps; ++step) {
    const int batch = schedule_.batch_of_step(step);
    if (reference.count(batch)) continue;
    at::NoGradGuard no_gradient;
    std::vector<at::Tensor>& own = reference[batch];  // stays empty on a rank without micro-batches
    for (const Pass& pass : forward(batch, answers, SftWeights::split)) own.push_back(pass.log_prob_E);
    collectives_.barrier();  // a rank with fewer micro-batches must not run ahead by a whole time-out
  }
  Optimizer optimizer(optimizer_config_, adapter_.values());
  for (int step = first_step(optimizer, config.steps); step < config.steps; ++step) {
    const double started = seconds_now();
    const int batch = schedule_.batch_of_step(step);
    const auto prompts = static_cast<double>(schedule_.batch(batch).size());
    const std::vector<at::Tensor>& own_reference = reference[batch];
    auto passes = forward(batch, answers, SftWeights::split);
    std::vector<double> own;
    for (size_t m = 0; m < passes.size(); ++m) {
      if (!passes[m].log_prob_E.defined()) continue;
      at::Tensor r_A =
          log_ratios(passes[m].log_prob_E.detach(), own_reference[m], passes[m].batch.mismatched);
      own.push_back((r_A * passes[m].batch.mismatched.weight_A).sum().item<double>());
    }
    StepReport report{step, config.steps};
    report.z_unclamped = sum_over_group(own) / prompts;
    report.z = std::max(0.0, report.z_unclamped);
    auto loss_of = [&](size_t m) -> Loss {
      const Pass& pass = passes[m];
      at::Tensor kl =
          steering_kl(steering_log_probs(pass.batch, pass.log_prob_E), pass.batch.target_IK, prompts);
      at::Tensor r_A = log_ratios(pass.log_prob_E, own_reference[m], pass.batch.answers);
      at::Tensor kto = kto_loss(r_A, pass.batch.answers, report.z, config.kto, prompts);
      return {config.kl_weight * kl + config.kto_weight * kto, kto.item<double>()};
    };
    finish_step(optimizer, config.learning_rate, passes, loss_of, report, started);
  }
}

void Trainer::finish_step(Optimizer& optimizer, double peak_lr, const std::vector<Pass>& passes,
                          const std::function<Loss(size_t)>& loss_of, StepReport report, double started) {
  // Columns gathered over the group: loss, kto, kl, coverage, prompts, tokens, FLOPs; one row a micro-batch.
  constexpr size_t columns = 7;
  std::vector<at::Tensor> gradients(passes.size());
  std::vector<double> own(passes.size() * columns, 0.0);
  run_lanes(static_cast<int>(passes.size()), model_.device(), [&](int index) {
    const auto m = static_cast<size_t>(index);
    const Pass& pass = passes[m];
    if (!pass.log_prob_E.defined()) {
      gradients[m] = at::zeros_like(adapter_.values());
      return;
    }
    const Loss loss = loss_of(m);
    at::Tensor q_IK = steering_log_probs(pass.batch, pass.log_prob_E.detach());
    const PassSize size{pass.batch.tree_tokens, pass.batch.rows.plan.pairs, pass.batch.edges.rows_R.size(0)};
    const std::array<double, columns> row = {loss.total.item<double>(),
                                             loss.kto,
                                             steering_kl(q_IK, pass.batch.target_IK, 1).item<double>(),
                                             steering_coverage(q_IK).sum().item<double>(),
                                             static_cast<double>(pass.batch.prompts),
                                             static_cast<double>(pass.batch.tree_tokens),
                                             train_flops(model_.shape(), adapter_.parameters(), size)};
    std::copy(row.begin(), row.end(), own.begin() + static_cast<int64_t>(m * columns));
    gradients[m] = gradient(loss.total);
  });
  micro_batches_ += static_cast<int64_t>(passes.size());
  at::Tensor total = tree_sum(std::move(gradients), batch_.micro_batches, collectives_);
  report.lr = learning_rate(optimizer_config_, peak_lr, report.step, report.steps);
  report.grad_norm = optimizer.step(adapter_.values(), total, report.lr);
  adapter_.refresh(model_.compute_type());

  std::vector<double> sums(columns, 0.0), all = collectives_.all_gather(own);
  for (size_t i = 0; i < all.size(); ++i) sums[i % columns] += all[i];
  report.loss = sums[0];
  report.kto = sums[1];
  report.kl = sums[2] / sums[4];
  report.coverage = sums[3] / sums[4];
  report.tokens = sums[5];
  report.flops = sums[6];
  report.seconds = seconds_now() - started;
  append(log_, report);
  report_(report);
  if (checkpoint_) checkpoint_->after_step(state(optimizer), report.step + 1, report.steps);
}

}  // namespace apportion
