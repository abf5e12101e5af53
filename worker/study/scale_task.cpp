// The scale task: one shape on one layout, as its id says. step_study.h makes the steps.
#include <cmath>

#include "shared/model_files/shape_text.h"
#include "worker/device.h"
#include "worker/parallel/gradients.h"
#include "worker/study/step_study.h"
#include "worker/tasks.h"

namespace apportion {

Done run_scale(const ScaleContext& context) {
  const TaskIdentity& identity = context.task.identity;
  const nlohmann::json layout = identity.at("layout");
  const RunConfig& config = context.config;
  LoraConfig lora = config.lora;
  lora.layers = 1;  // `plan` forecasts, and this measures, LoRA on all blocks
  const int group_rank = context.collectives.group_rank();
  const StepStudy study{parse_shape(identity.at("model").get<std::string>()),
                        study_tree(config.scale),
                        layout.at("micro_batches").get<int>(),
                        config.scale.steps,
                        resolve_compute_type(config.train_compute_type),
                        context.rank,
                        lora,
                        config.ranks,
                        config.base};
  int steps = 0;
  auto report = [&](const StepReport& step) {
    ++steps;
    if (group_rank != 0) return;
    Progress progress;
    progress.task_id = context.task.id;
    progress.stage = context.task.label;
    progress.step = step.step + 1;
    progress.steps = step.steps;
    progress.loss = step.loss;
    progress.kl = step.kl;
    progress.coverage = step.coverage;
    progress.tokens_per_second = step.tokens / step.seconds;
    progress.peak_share = std::nan("");
    progress.seconds_left = step.seconds * (step.steps - step.step - 1);
    context.link.send(coordinator_address, progress);
  };
  Done done;
  done.sample =
      measure_steps(study, context.collectives,
                    shard_ranks_of(context.group, group_rank, layout.at("shard_size").get<int>()), report);
  const auto range = micro_batches_of(group_rank, context.collectives.size(), study.micro_batches);
  done.micro_batches = int64_t{steps} * (range.last - range.first);
  return done;
}

}  // namespace apportion
