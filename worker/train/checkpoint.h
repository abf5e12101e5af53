// The state of a stage of training between two steps, saved while it goes on and found again when its task is
// begun anew. The ranks of the group write a part each; the files are shared/store/checkpoint.h's. A stage's
// reference is not in it: it follows from the adapter that the stage starts from, as batches and rates follow
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

/// All that a step changes and the next one reads. References outlive this.
struct TrainState {
  at::Tensor& values;  // that are trained, [n] float32
  Optimizer& optimizer;
  TrainLog& log;  // of the steps made
  std::vector<StatePart> parts;
};

struct CheckpointPlan {
  std::string folder;
  std::string task_id;                    // a checkpoint of another task is refused
  int every = 0;                          // steps between checkpoints; 0: none are written
  std::function<bool()> stops = nullptr;  // whether this rank knows that the run is to stop; null: never
};

class TrainCheckpoint {
 public:
  /// A line for people; a warning says why a checkpoint was passed over.
  enum class Note { information, warning };
  using Say = std::function<void(Note, const std::string&)>;

  /// Of one stage. `say` is called on the rank that has something to say.
  TrainCheckpoint(CheckpointPlan plan, Collectives& collectives, Say say);

  /// Puts the newest checkpoint that is whole on every rank into `state`, and removes later ones. Returns the
  /// number of steps made by then, 0 when there is none; the stage has `steps`. Throws UserError for a
  /// checkpoint of another task. Collective: every rank of the group.
  int load(const TrainState& state, int steps);

  /// After each step; `done` of `steps` are made. Saves when it is time, but not after the last step, whose
  /// result follows. Collective: every rank of the group.
  void after_step(const TrainState& state, int done, int steps);

  /// Before each step; `done` of `steps` are made. When any rank knows that the run is to stop, the state is
  /// saved and every rank throws TaskPaused: all at the same step. Collective: every rank of the group.
  void pause_if_asked(const TrainState& state, int done, int steps);

  /// Until this rank writes nothing more. Throws UserError for what could not be written.
  void finish() { writer_.wait(); }

 private:
  struct Loaded {
    at::Tensor values, first_moment, second_moment;
    TrainLog log;
    size_t ranks;  // that wrote it
  };
  /// Why this rank cannot use the checkpoint of `step`, which is in `loaded` when there is no reason.
  std::optional<std::string> read(uint64_t step, const TrainState& state, int steps,
                                  std::optional<Loaded>& loaded) const;
  std::vector<CheckpointSlice> own_slices(const TrainState& state) const;
  /// Has the pending checkpoint completed when every rank has written its part.
  void settle();
  void start(const TrainState& state, int done);
  /// Until what is being written is complete. Collective.
  void complete();
  bool any_rank(bool own);

  CheckpointPlan plan_;
  Collectives& collectives_;
  Say say_;
  CheckpointWriter writer_;
  uint64_t pending_ = 0;   // the step whose parts are being written, 0: none
  uint64_t saved_ = 0;     // the last step whose parts were written or read
  size_t ranks_read_ = 0;  // that wrote what was read last
};

}  // namespace apportion
