// A task: the unit of scheduling, of caching and of results. Its id is the hash of all that it depends on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace apportion {

/// `kind`: "measure" (one test set), "sft" (stage 1), "calibrate" (stage 2), "scale" (timed steps
/// of a synthetic shape: its id holds ranks and layout, too, for they are the question), "judge" (the stories
/// that its input measured, read by a judge; done by the coordinator).
struct Task {
  std::string id;  // SHA-256 of identity.dump()
  std::string kind;
  std::string label;  // for people: "stage 1", "before, v2"
  nlohmann::json
      identity;  // kind, revision, options that it reads, digests of model and dataset, ids of inputs
  std::vector<std::string> inputs;  // ids of tasks that must be done: the adapter to measure or to start from
  std::string test_set;             // of a measure task
};

/// Raised when a kind's numbers change, so that old artefacts are not taken for new ones.
int task_revision(const std::string& kind);

/// SHA-256 of canonical JSON (sorted keys, no spaces).
std::string task_id(const nlohmann::json& identity);

void to_json(nlohmann::json& json, const Task& task);
void from_json(const nlohmann::json& json, Task& task);

}  // namespace apportion
