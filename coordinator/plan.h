// Turns a configuration into tasks: which there are, what each depends on, and so their ids. Pure: reads no
// file. coordinator.h decides which of them still have to run, scheduler.h where.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "shared/config/task.h"
#include "shared/store/index.h"

namespace apportion {

/// Digests of a dataset's test set: its questions alone, and with the target shares
/// (Dataset::questions_digest, test_digest).
struct TestSetDigests {
  std::string questions, with_targets;
};

/// What a task depends on besides options.
struct PlanInput {
  std::string model_digest;     // weights, tokenizer, chat template (Gguf::digest)
  std::string training_digest;  // Dataset::training_digest
  std::string dataset_name;     // with its target; only for the cell's name, since digests cover both
  std::string train_compute_type, measure_compute_type;  // resolved: "float32" or "bfloat16"
  std::string replay_digest = {};  // of the replay prompts; used when retain_weight is above 0
  std::string stories_digest =
      {};  // of story prompts and the rules for which stories are kept; used with answers = self
  std::string keep_digest = {};                          // of everything that a retention task asks and reads
  std::map<std::string, TestSetDigests> test_sets = {};  // all test sets that are measured, by name
  std::string adapter_in_digest = {};                    // of adapter_in; empty: none
  std::string frames_digest = {};       // of the wordings that training adds (added_wordings); empty: none
  std::string judge_model_digest = {};  // of judge_model, if there is one
  std::vector<nlohmann::json> judges =
      {};  // of stories: what the verdicts of each depend on, including its "name"
};

/// `tasks` are ordered so that each comes after its inputs; every id occurs once. `cell` names them for the
/// index.
struct Plan {
  std::vector<Task> tasks;
  Cell cell;
};

/// The method's tasks according to its description (shared/config/method.h): measures the untouched model on
/// the test sets whose wordings training does not use, trains the stages, and measures again on all test
/// sets, asking in the method's way. A method that trains nothing leaves out test sets of training wordings.
/// Each judge reads each set of stories that was measured.
/// `job` is the job's name in the index. Throws UserError when there is nothing to measure.
Plan make_plan(const RunConfig& config, const PlanInput& input, const std::string& job);

/// All that a worker sees of the configuration, by key: the keys that the ids of `chain` (the task, its
/// input, that one's input and so on) may depend on, and those that change no result. If a task reads a key
/// that it does not declare, it gets the default, so the mistake shows at once.
std::map<std::string, std::string> settings_of(const RunConfig& config,
                                               const std::vector<const Task*>& chain);

/// The keys whose values enter the id of a training task, of a measure task, and of a scale task.
std::vector<std::string> stage_keys(const Stage& stage);
std::vector<std::string> measure_keys_of(const std::string& test_set, Asking asking);
std::vector<std::string> scale_identity_keys();

}  // namespace apportion
