// result.h5 of one finished task: written whole, checked whole. layout.h has names, types and version. One
// thread (the coordinator's) makes all HDF5 calls of a run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/base/file_system.h"
#include "shared/config/task.h"
#include "shared/link/message.h"
#include "shared/measure/histogram.h"
#include "shared/measure/metrics.h"
#include "shared/measure/retention.h"

namespace apportion {

/// What every result file says about its task, whatever its kind.
struct TaskRecord {
  Task task;
  std::vector<std::pair<std::string, std::string>> config;  // key, resolved value
  std::vector<std::pair<std::string, std::string>> about;   // versions, host, threads, seconds: not compared
};

/// The question and answer sides of a measured test set.
struct MeasureTables {
  std::vector<std::string> subjects, categories;
  std::vector<std::string> prompts;         // [S*P] the user turns
  std::vector<std::vector<double>> target;  // [S][K]; a row of NaN, or an empty one, where unknown
};

/// A measure task's file, read back.
struct MeasureFile {
  TaskRecord record;
  MeasureTables tables;
  MeasureResult result;
};

/// Metrics of the result against the known targets.
DatasetMetrics metrics_of(const MeasureFile& file);

/// A training task's file, read back.
struct TrainFile {
  TaskRecord record;
  TrainLog log;
  std::string adapter_digest;
};

/// A scale task's file, read back: one sample for each rank of the group, in its order.
struct ScaleFile {
  TaskRecord record;
  std::vector<StepSample> samples;
};

/// A retention task's file, read back.
struct RetentionFile {
  TaskRecord record;
  RetentionResult result;
};

/// DIR/tasks/<id>/result.h5, and next to it the folder of the adapter or of all weights, whichever was
/// trained, and, until the task is done, that of its checkpoints.
std::string task_directory(const std::string& directory, const std::string& task_id);
std::string result_path(const std::string& directory, const std::string& task_id);
/// Whether there is a result; does not look into it.
bool has_result(const std::string& directory, const std::string& task_id);
std::string adapter_directory(const std::string& directory, const std::string& task_id);
std::string weights_directory(const std::string& directory, const std::string& task_id);
std::string checkpoint_directory(const std::string& directory, const std::string& task_id);
/// DIR/replay/KEY.json: the untouched model's answers to replay prompts, which tasks share.
std::string replay_path(const std::string& directory, const std::string& key);
/// DIR/reference/KEY: log-probs of a frozen reference, which tasks share.
std::string reference_directory(const std::string& directory, const std::string& key);

/// Whether the training task trains all weights, as its identity says.
bool trains_all_weights(const Task& task);

/// Write to a temporary name, close, sync, ask `confirm`, rename, sync the directory.
void write_measure_file(const std::string& path, const MeasureFile& file, const Confirm& confirm = {});
void write_train_file(const std::string& path, const TrainFile& file, const Confirm& confirm = {});
void write_scale_file(const std::string& path, const ScaleFile& file, const Confirm& confirm = {});
void write_retention_file(const std::string& path, const RetentionFile& file, const Confirm& confirm = {});

/// Throw DataError for a file that is damaged, of another version or of another kind.
MeasureFile read_measure_file(const std::string& path);
/// What tables of many cells need, to compute errors and what must not change: checked by the seal like the
/// whole file, but only these datasets are read. Texts are empty, no answer is listed, questions are left
/// out, and the record has only the task's id, kind and identity.
MeasureFile read_measure_figures(const std::string& path);
RetentionFile read_retention_figures(const std::string& path);
/// What the file says about its task, whatever the kind.
TaskRecord read_task_record(const std::string& path);
TrainFile read_train_file(const std::string& path);
ScaleFile read_scale_file(const std::string& path);
RetentionFile read_retention_file(const std::string& path);

/// Whether the task's artefacts exist and verify: checksums, id, and for training the digest of what was
/// trained. `why` says what is wrong with an artefact that exists but does not verify.
enum class ArtefactState { absent, verified, damaged };
ArtefactState verify_artefact(const std::string& directory, const Task& task, std::string& why);

}  // namespace apportion
