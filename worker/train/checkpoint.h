// The state of a training stage between two steps, saved while training goes on and found again when its task
// is restarted. Each rank of the group writes a part; shared/store/checkpoint.h has the files. A stage's
// reference is not saved: it follows from the adapter that the stage starts from, as batches and rates follow
// from the number of the step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "shared/link/message.h"
#include "shared/store/checkpoint_writer.h"
#include "worker/parallel/collectives.h"
#include "worker/train/optimizer.h"
#include "worker/train/trainee.h"

namespace apportion {

/// Everything that a step changes and the next one reads. References must outlive this.
struct TrainState {
  at::Tensor& values;  // the trained values, [n] float32
  Optimizer& optimizer;
  TrainLog& log;  // of the steps made
  std::vector<StatePart> parts;
};

struct CheckpointPlan {
  std::string folder;
  std::string task_id;                    // another task's checkpoint is refused
  int every = 0;                          // steps between checkpoints; 0: none are written
  std::function<bool()> stops = nullptr;  // whether this rank knows that the run is to stop; null: never
};

class TrainCheckpoint {
 public:
  /// A line for people; a warning says why a checkpoint was passed over.
  enum class Note { information, warning };
  using Say = std::function<void(Note, const std::string&)>;

  /// For one stage. `say` is called on the rank that has something to report.
  TrainCheckpoint(CheckpointPlan plan, Collectives& collectives, Say say);

  /// Puts the newest checkpoint that is whole on every rank into `state`, and removes later ones. Returns its
  /// number of finished steps, 0 if there is none; the stage has `steps`. Throws UserError for a checkpoint
  /// of another task. Collective: every rank of the group.
  int load(const TrainState& state, int steps);

  /// Call after each step; `done` of `steps` are finished. Saves when it is time, except after the last step,
  /// as the result follows. Collective: every rank of the group.
  void after_step(const TrainState& state, int done, int steps);

  /// Call before each step; `done` of `steps` are finished. If any rank knows that the run is to stop, saves
  /// the state and throws TaskPaused, on every rank at the same step. Collective: every rank of the group.
  void pause_if_asked(const TrainState& state, int done, int steps);

  /// Waits until this rank has nothing left to write. Throws UserError for what could not be written.
  void finish() { writer_.wait(); }

 private:
  struct Loaded {
    at::Tensor values, first_moment, second_moment;
    TrainLog log;
    size_t ranks;  // that wrote it
  };
  /// Why this rank cannot use the checkpoint of `step`; if there is no reason, `loaded` has it.
  std::optional<std::string> read(uint64_t step, const TrainState& state, int steps,
                                  std::optional<Loaded>& loaded) const;
  std::vector<CheckpointSlice> own_slices(const TrainState& state) const;
  /// Completes the pending checkpoint once every rank has written its part.
  void settle();
  void start(const TrainState& state, int done);
  /// Waits until what is being written is complete. Collective.
  void complete();
  bool any_rank(bool own);

  CheckpointPlan plan_;
  Collectives& collectives_;
  Say say_;
  CheckpointWriter writer_;
  uint64_t pending_ = 0;   // the step whose parts are being written, 0: none
  uint64_t saved_ = 0;     // the last step whose parts were written or read
  size_t ranks_read_ = 0;  // ranks that wrote what was read last
};

}  // namespace apportion
