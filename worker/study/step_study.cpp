#include "worker/study/step_study.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <utility>

#include "shared/model_files/shape_text.h"
#include "shared/model_files/tensor_reader.h"
#include "worker/device.h"
#include "worker/kernels/panel_products.h"
#include "worker/layout.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/lanes.h"
#include "worker/parallel/shard_group.h"
#include "worker/peak.h"

namespace apportion {
namespace {

class StepTimer {
 public:
  explicit StepTimer(const std::function<void(const StepReport&)>& report) : report_(report) {}

  void operator()(const StepReport& step) {
    if (step.step > 0) {
      sample_.seconds.push_back(step.seconds);
      sample_.tokens = step.tokens;
      sample_.flops = step.flops;
    }
    report_(step);
  }
  StepSample& sample() { return sample_; }

 private:
  const std::function<void(const StepReport&)>& report_;
  StepSample sample_;
};

/// Decides recompute = auto by what a step of the study needs. Throws UserError when it does not fit.
/// Collective.
Recompute resolved_recompute(const StepStudy& study, Collectives& group, int64_t shard_size) {
  if (study.ranks.recompute != Recompute::automatic) return study.ranks.recompute;
  StepLoad load = study.tree.load((study.micro_batches + group.size() - 1) / group.size());
  load.lanes = std::min<int64_t>(load.micro_batches, lanes_on(study.rank.device, at::get_num_threads()));
  auto needed = [&](int64_t size, Recompute recompute) {
    RankLayout layout;
    layout.ranks = group.size();
    layout.shard_size = size;
    layout.recompute = recompute;
    layout.base = study.base.type;
    layout.place = study.base.place;
    layout.compute_bytes = static_cast<double>(c10::elementSize(study.type));
    layout.panels = multiplies_in_panels(study.rank.device, study.type);
    layout.joined = !study.rank.device.is_cpu();
    return with_reserve(study.shape, layout, rank_memory(study.shape, study.lora, load, layout).total(),
                        study.rank.device);
  };
  return fitting_layout("the shape " + canonical_shape(study.shape),
                        {group.size(), 0, shard_size, Recompute::automatic},
                        least_free_memory(study.rank, group), needed)
      .recompute;
}

}  // namespace

std::vector<TrainPrompt> study_prompts(const StudyTree& tree, int micro_batches, int64_t vocabulary) {
  auto id = [vocabulary](int64_t value) { return static_cast<int32_t>(value % vocabulary); };
  std::vector<TrainPrompt> prompts;
  for (int64_t p = 0; p < tree.prompts * micro_batches; ++p) {
    TrainPrompt& prompt = prompts.emplace_back();
    for (int64_t i = 0; i < tree.shared_tokens; ++i) prompt.tokens.push_back(id(7 * i));
    prompt.tokens.push_back(id(p));
    prompt.tokens.push_back(id(p / vocabulary));
    for (int64_t i = 2; i < tree.own_tokens; ++i) prompt.tokens.push_back(id(31 * p + 11 * i));
    for (int64_t b = 0; b < tree.branches; ++b) {
      const double share = 1.0 / static_cast<double>(tree.branches);
      prompt.target.push_back(share);
      prompt.steering_tokens.push_back(id(b));
      TrainPrompt::TokenAnswer answer{{id(b)}, share, true};
      for (int64_t i = 1; i < tree.answer_tokens; ++i) answer.tokens.push_back(id(13 * b + 17 * i));
      prompt.answers.push_back(std::move(answer));
    }
  }
  return prompts;
}

StepSample measure_steps(const StepStudy& study, Collectives& group, const std::vector<int>& shard_ranks,
                         const std::function<void(const StepReport&)>& report) {
  const at::Device device = study.rank.device;
  release_device_memory(device);
  const Recompute recompute = resolved_recompute(study, group, static_cast<int64_t>(shard_ranks.size()));
  reset_base_memory_peak();
  reset_memory_peak(device);
  const double before = memory_peak(device).tensors;
  const auto weights = std::make_unique<WeightSource>(synthetic_tensors(study.shape));
  const LoadedModel loaded =
      load_model(*weights, study.shape, study.type, study.rank, shard_ranks, study.ranks, study.base);
  Adapter adapter(study.shape, study.lora, 0, study.rank.device);
  const auto prompts = study_prompts(study.tree, study.micro_batches, study.shape.vocabulary);
  const BatchConfig batch{static_cast<int>(prompts.size()), study.micro_batches};
  StepTimer timer(report);
  Trainer trainer(
      {*loaded.model, prompts, batch, OptimizerConfig{}, 0, group, std::ref(timer), nullptr, recompute},
      adapter);
  const SftConfig sft = whole_sft(1 + study.steps, 1e-3);
  trainer.run_sft(sft);
  StepSample sample = std::exchange(timer.sample(), {});
  sample.base_bytes = static_cast<double>(base_memory().peak);
  const MemoryPeak peak = memory_peak(device);
  sample.tensor_bytes = peak.tensors - before;
  sample.process_bytes = peak.taken;
  if (loaded.model->is_whole()) {
    sample.resident_seconds = sample.seconds;
  } else if (has_room_for_base(study.shape, study.type, study.base, study.rank, group)) {
    // All ranks or none: their shard groups are alike, and the rank with the least room decides.
    loaded.model->gather_all();
    trainer.run_sft(sft);
    sample.resident_seconds = timer.sample().seconds;
  }
  group.barrier();
  sample.peak_flops = measure_peak(study.type, device);
  return sample;
}

}  // namespace apportion
