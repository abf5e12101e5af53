// The messages between the coordinator and the workers: one struct each, and their bytes.
// Bytes are CBOR of a JSON object with the protocol's version; docs/protocol.md lists the fields.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/config/task.h"
#include "shared/measure/histogram.h"

namespace apportion {

/// Coordinator to every rank of a group: run this task together. `group` lists world ranks in group order;
/// `group_tag` names this forming of the group (unique within a Coordinator). `input` is what they need from
/// the result files of the task's inputs, which only the coordinator reads: for a judge task, the
/// stories_to_judge. `settings` (key, value) is all that they see of the configuration; other keys have their
/// defaults.
struct Assign {
  Task task;
  std::vector<int> group;
  int group_tag = 0;
  std::map<std::string, std::string> settings = {};
  std::vector<std::string> input = {};
};

/// From a group's first rank, now and then.
struct Progress {
  std::string task_id;
  std::string stage;  // "stage 1", "measure v2"
  int64_t step = 0, steps = 0;
  // NaN when there is none.
  double loss = std::numeric_limits<double>::quiet_NaN(), kl = loss, coverage = loss;
  double retain = 0;  // of the replay rows; 0: nothing is kept
  double tokens_per_second = 0;
  double peak_share = 0;  // share of the measured matrix-multiply peak
  double seconds_left = 0;
};

/// The time left when `done` of `all` steps took `seconds`: as long for each remaining step.
inline double seconds_left(double seconds, int64_t done, int64_t all) {
  return seconds / static_cast<double>(done > 0 ? done : 1) * static_cast<double>(all - done);
}

/// From a rank of the group: a line for people about its task.
struct Note {
  std::string task_id;
  std::string text;
  bool warning = false;  // shown when quiet, too
};

/// One unit of a measure task.
struct Histogram {
  std::string task_id;
  int unit = 0;
  std::vector<PromptResult> prompts;
};

/// The training log's columns (all of equal length, one value per step).
struct TrainLog {
  std::vector<double> step, loss, kl, kto, retain, z, z_unclamped, coverage, grad_norm, lr, tokens, seconds;
};

/// What one rank measured in a scale task.
struct StepSample {
  std::vector<double> seconds;           // wall time of each timed step
  std::vector<double> resident_seconds;  // the same with all of the base here (where nothing moved, those
                                         // above); empty: no room
  double tokens = 0, flops = 0;          // per step, all ranks together
  double peak_flops = 0;                 // matrix-multiply FLOP/s of this rank while all of the group measure
  double base_bytes = 0;                 // high-water mark of the frozen base on this rank
  double tensor_bytes = 0;               // all tensors alive at one time on the device; 0: unknown
  double process_bytes = 0;  // resident memory of the process, or all that is taken of its GPU; 0: unknown
};

/// From every rank of the group when its part is finished. For a training task the group's first rank adds
/// the log and the digest of the safetensors file that it wrote below tasks/<id>/adapter, or /weights.
struct Done {
  std::string task_id;
  int64_t micro_batches = 0, units = 0;  // that this rank computed
  int64_t base_peak_bytes = 0;           // most bytes of the frozen base that it held during the task
  TrainLog log;
  std::string adapter_digest;
  std::string compute_type;  // resolved: "float32" or "bfloat16"
  int threads = 0;
  StepSample sample;          // for a scale task
  std::string retention;      // for a retention task, from the group's first rank: JSON (measure/retention.h)
  std::vector<int> verdicts;  // for a judge task, from the group's first rank: those of `input`
};

/// From every rank of the group that leaves its task unfinished because the run is to stop; its state is
/// saved. `done` and `all` count steps, or the rank's own units of a measure task.
struct Paused {
  std::string task_id;
  int64_t done = 0, all = 0;
};

/// From a rank that cannot go on; with `task_id`, from one that was alone at that task and can take another.
/// `is_of_storage`: storage for results takes nothing more, which is not the task's failure.
struct Failed {
  std::string reason;
  int exit_code = 1;
  std::string task_id = {};
  bool is_of_storage = false;
};

/// From every rank each second, so that a silent one is noticed.
struct Heartbeat {};

/// Coordinator to every rank: no more tasks, leave. If `exit_code` is not 0, the whole run ends with it.
struct Stop {
  int exit_code = 0;
};

using Message = std::variant<Assign, Progress, Note, Histogram, Done, Paused, Failed, Heartbeat, Stop>;

std::string encode(const Message& message);
/// Throws DataError ("message from rank N") for bytes that are not a message of this version.
Message decode(std::string_view bytes, int from);

}  // namespace apportion
