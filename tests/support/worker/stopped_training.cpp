#include "tests/support/worker/stopped_training.h"

#include <ATen/ATen.h>

#include "shared/link/interrupt.h"
#include "shared/store/columns.h"
#include "worker/train/trainer.h"

namespace apportion::testing {
namespace {

/// Acts as a crash. It is not an Error of the program, so nothing handles it.
struct Stopped {};

/// Runs the stage as a worker runs its task, without the result's files.
void run_to_the_end(Stage stage, Trainer& trainer, TrainCheckpoint& checkpoint) {
  if (stage == Stage::sft) {
    SftConfig config = testing::muon_sft();
    config.steps = stage_steps;
    config.learning_rate = 4e-3;
    trainer.run_sft(config);
  } else {
    CalibrateConfig config;
    config.steps = stage_steps;
    config.learning_rate = 3e-3;
    trainer.run_calibrate(config);
  }
  checkpoint.finish();
}

}  // namespace

StageRun run_stage(const TinyWorld& world, Stage stage, Collectives& collectives, const CheckpointPlan& plan,
                   int stop_after, const ReferencePlace* reference) {
  StageRun run;
  Adapter adapter = world.random_adapter(4);
  auto say = [&](TrainCheckpoint::Note note, const std::string& text) { run.notes.emplace_back(note, text); };
  TrainCheckpoint checkpoint(plan, collectives, say);
  OptimizerConfig optimizer = testing::short_warmup();
  optimizer.warmup_steps = 2;
  optimizer.weight_decay = 0.1;
  Trainer trainer({world.model(), world.prompts(), BatchConfig{6, 4}, optimizer, 5, collectives,
                   [&](const StepReport& report) {
                     if (stop_after != to_the_end && report.step + 1 == stop_after) throw Stopped();
                   },
                   &checkpoint},
                  adapter);
  if (reference) trainer.keep_reference(*reference, say);
  try {
    run_to_the_end(stage, trainer, checkpoint);
  } catch (const Stopped&) {
  } catch (const TaskPaused& paused) {
    run.paused_after = paused.done();
  }
  run.values = adapter.values();
  run.log = trainer.log();
  return run;
}

std::vector<double> comparable(const TrainLog& log) {
  std::vector<double> values;
  for_each_column(log, [&](const std::string& name, const std::vector<double>& column) {
    if (name != "seconds") values.insert(values.end(), column.begin(), column.end());
  });
  return values;
}

}  // namespace apportion::testing
