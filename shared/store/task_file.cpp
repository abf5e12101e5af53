#include "shared/store/task_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/config/method.h"
#include "shared/measure/metric_table.h"
#include "shared/store/columns.h"
#include "shared/store/hdf5_file.h"
#include "shared/store/layout.h"

namespace apportion {
namespace {

constexpr const char* root = "/";
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

std::string config_json(const std::vector<std::pair<std::string, std::string>>& config) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [key, value] : config) json[storable_text(key)] = storable_text(value);
  return json.dump();
}

bool has_answers(const Task& task) { return task.kind == TaskKind::measure || is_judged(task); }

int64_t version_of(const MeasureFile& file, const MeasureColumns& columns) {
  if (!columns.unlisted.shape.empty()) return layout::unlisted_version;
  return reads_stories(file.record.task) ? layout::story_version : layout::version;
}

void write_record(Hdf5Writer& writer, const TaskRecord& record, int64_t version) {
  writer.attribute(root, layout::format, layout::result_format);
  writer.attribute(root, layout::version_name, version);
  writer.attribute(root, layout::task, record.task.id);
  writer.attribute(root, layout::kind, name_of(record.task.kind));
  writer.attribute(root, layout::label, record.task.label);
  writer.attribute(root, layout::identity, record.task.identity.text());
  writer.attribute(root, layout::inputs, nlohmann::json(record.task.inputs).dump());
  writer.attribute(root, layout::test_set, record.task.test_set);
  writer.attribute(root, layout::config_json, config_json(record.config));
  writer.group(layout::config);
  for (const auto& [key, value] : record.config) writer.attribute(layout::config, key, value);
  writer.group(layout::about);
  for (const auto& [key, value] : record.about) writer.attribute(layout::about, key, value);
}

nlohmann::json json_attribute(const Hdf5Reader& reader, const char* attribute) {
  nlohmann::json json = parse_json<nlohmann::json>(reader.text(root, attribute));
  if (json.is_discarded()) reader.fail(std::string("attribute ") + attribute + " is not JSON");
  return json;
}

void check_format(const Hdf5Reader& reader) {
  std::string format = reader.text(root, layout::format);
  if (format != layout::result_format) reader.fail("this is an " + format + ", not a result");
  int64_t version = reader.integer(root, layout::version_name);
  if (version < layout::version || version > layout::unlisted_version) {
    reader.fail("its layout is version " + std::to_string(version) + "; this program reads versions " +
                std::to_string(layout::version) + " to " + std::to_string(layout::unlisted_version));
  }
}

TaskKind read_kind(const Hdf5Reader& reader) {
  try {
    return task_kind(reader.text(root, layout::kind));
  } catch (const UserError& error) {
    reader.fail(error.what());
  }
}

/// Throws for a file of another kind than the one asked for.
void check_kind(const Hdf5Reader& reader, const TaskRecord& record, bool right) {
  if (!right) reader.fail("this is the result of a task of kind " + name_of(record.task.kind));
}

/// Reads id, kind and identity.
Task read_identity(const Hdf5Reader& reader) {
  check_format(reader);
  Task task;
  task.id = reader.text(root, layout::task);
  task.kind = read_kind(reader);
  task.identity = json_attribute(reader, layout::identity);
  return task;
}

TaskRecord read_record(const Hdf5Reader& reader) {
  TaskRecord record{read_identity(reader), {}, {}};
  record.task.label = reader.text(root, layout::label);
  record.task.test_set = reader.text(root, layout::test_set);
  nlohmann::json inputs = json_attribute(reader, layout::inputs);
  if (!inputs.is_array()) reader.fail("attribute inputs is not a JSON array");
  for (const nlohmann::json& input : inputs) {
    if (!input.is_string()) reader.fail("attribute inputs holds something that is not a task's id");
    record.task.inputs.push_back(input.get<std::string>());
  }
  record.config = reader.texts(layout::config);
  if (config_json(record.config) != reader.text(root, layout::config_json)) {
    reader.fail("attribute config and the attributes of /config differ");
  }
  record.about = reader.texts(layout::about);
  return record;
}

/// Names of datasets, each with one value per subject.
std::vector<std::pair<std::string, std::vector<double>>> metric_columns(const MeasureFile& file) {
  const DatasetMetrics metrics = metrics_of(file);
  ensure(metrics.subjects.size() == file.tables.subjects.size(), "every subject has metrics");
  const bool stories = reads_stories(file.record.task);
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  for (const MeasuredMetric& metric : measured_metrics()) {
    if (!metric.stored || (metric.extent == MetricExtent::stories && !stories)) continue;
    std::vector<double>& column =
        columns.emplace_back(layout::metrics + std::string(metric.name), std::vector<double>()).second;
    for (const SubjectMetrics& subject : metrics.subjects) column.push_back(metric.of_subject(subject));
  }
  return columns;
}

/// Empty columns that know which datasets the task's kind has.
MeasureColumns columns_of(const Hdf5Reader& reader, const TaskRecord& record) {
  check_kind(reader, record, has_answers(record.task));
  MeasureColumns columns;
  columns.stories = reads_stories(record.task);
  columns.judged = is_judged(record.task);
  return columns;
}

/// Reads a dataset into its column.
auto into_column(const Hdf5Reader& reader) {
  return [&reader](const char* name, auto& array) {
    using Value = typename std::decay_t<decltype(array.values)>::value_type;
    array = reader.dataset<Value>(name);
  };
}

void prepare_directory(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  if (!directory.empty()) make_directories(directory);
}

/// The column of `field` over the ranks, which must all have one length: [R, N].
Hdf5Array<double> table_of(const std::vector<StepSample>& samples, std::vector<double> StepSample::*field) {
  const size_t columns = samples.empty() ? 0 : (samples.front().*field).size();
  Hdf5Array<double> array{{samples.size(), columns}, {}};
  for (const StepSample& sample : samples) {
    const std::vector<double>& row = sample.*field;
    ensure(row.size() == columns, "every rank of a scale task times the same steps");
    array.values.insert(array.values.end(), row.begin(), row.end());
  }
  return array;
}

void read_table(const Hdf5Reader& reader, const char* name, std::vector<double> StepSample::*field,
                std::vector<StepSample>& samples) {
  const Hdf5Array<double> array = reader.dataset<double>(name);
  if (array.shape.size() != 2 || array.shape[0] != samples.size()) {
    reader.fail(std::string(name) + " does not have a row for each rank");
  }
  const auto columns = static_cast<std::ptrdiff_t>(array.shape[1]);
  for (size_t rank = 0; rank < samples.size(); ++rank) {
    const auto first = array.values.begin() + static_cast<std::ptrdiff_t>(rank) * columns;
    (samples[rank].*field).assign(first, first + columns);
  }
}

TaskRecord read_whole_record(const std::string& path, TaskKind kind) {
  if (kind == TaskKind::retention) return read_retention_file(path).record;
  return kind == TaskKind::scale ? read_scale_file(path).record : read_measure_file(path).record;
}

std::string find_artefact_fault(const std::string& directory, const Task& task) {
  std::string path = result_path(directory, task.id);
  const bool training = description_of(task.kind).trains;
  TrainFile trained;
  if (training) trained = read_train_file(path);
  Task found = training ? trained.record.task : read_whole_record(path, task.kind).task;
  if (found.kind != task.kind)
    return path + " is of kind " + name_of(found.kind) + ", not " + name_of(task.kind);
  if (found.id != task.id) return path + " is of task " + found.id;
  if (task_id(found.identity) != found.id)
    return path + " has an identity whose SHA-256 is not the task's id";
  if (!training) return "";
  const bool all = trains_all_weights(task);
  const std::string folder =
      all ? weights_directory(directory, task.id) : adapter_directory(directory, task.id);
  const std::string config = folder + (all ? "/config.json" : "/adapter_config.json");
  if (!path_exists(config)) return config + " is missing";
  const std::string weights = folder + (all ? "/model.safetensors" : "/adapter_model.safetensors");
  if (!path_exists(weights)) return weights + " is missing";
  bool same = sha256_file(weights) == trained.adapter_digest;
  return same ? "" : weights + " does not match the SHA-256 in " + path;
}

}  // namespace

DatasetMetrics metrics_of(const MeasureFile& file) {
  std::vector<std::vector<double>> targets = file.tables.target;
  for (std::vector<double>& row : targets) {
    if (!row.empty() && std::isnan(row[0])) row.clear();  // in a file a row is known whole or not at all
  }
  return measure_metrics(file.result, targets);
}

std::string task_directory(const std::string& directory, const std::string& task_id) {
  return directory + "/tasks/" + task_id;
}

std::string result_path(const std::string& directory, const std::string& task_id) {
  return task_directory(directory, task_id) + "/result.h5";
}

bool has_result(const std::string& directory, const std::string& task_id) {
  return path_exists(result_path(directory, task_id));
}

std::string adapter_directory(const std::string& directory, const std::string& task_id) {
  return task_directory(directory, task_id) + "/adapter";
}

std::string weights_directory(const std::string& directory, const std::string& task_id) {
  return task_directory(directory, task_id) + "/weights";
}

bool trains_all_weights(const Task& task) {
  if (!task.identity.contains("options")) return false;
  const nlohmann::json options = task.identity.at("options");
  return options.is_object() && options.value("adapter", "lora") == "none";
}

std::string checkpoint_directory(const std::string& directory, const std::string& task_id) {
  return task_directory(directory, task_id) + "/checkpoint";
}

std::string replay_path(const std::string& directory, const std::string& key) {
  return directory + "/replay/" + key + ".json";
}

std::string reference_directory(const std::string& directory, const std::string& key) {
  return directory + "/reference/" + key;
}

void write_measure_file(const std::string& path, const MeasureFile& file, const Confirm& confirm) {
  ensure(has_answers(file.record.task), "a measure file is of a measure task or a judge's");
  MeasureColumns columns = pack(file);
  std::string fault = find_fault(columns);
  if (!fault.empty()) throw InternalError("a result that must not be stored: " + fault);
  prepare_directory(path);
  Hdf5Writer writer(path);
  write_record(writer, file.record, version_of(file, columns));
  writer.attribute(root, layout::content, content_digest(file.record, columns));
  for_each_dataset(columns, [&](const char* name, const auto& array) { writer.dataset(name, array); });
  for_each_optional_dataset(columns, [&](const char* name, const auto& array) {
    if (!array.shape.empty()) writer.dataset(name, array);
  });
  for (const auto& [name, column] : metric_columns(file)) {
    writer.dataset(name, Hdf5Array<double>{{column.size()}, column});
  }
  writer.commit(confirm);
}

TaskRecord read_task_record(const std::string& path) { return read_record(Hdf5Reader(path)); }

MeasureFile read_measure_figures(const std::string& path) {
  Hdf5Reader reader(path);
  MeasureFile file{{read_identity(reader), {}, {}}, {}, {}};
  MeasureColumns columns = columns_of(reader, file.record);
  for_each_figure_dataset(columns, into_column(reader));
  std::string fault = complete_figures(columns);
  if (fault.empty()) fault = find_fault(columns);
  if (!fault.empty()) reader.fail(fault);
  unpack(columns, file);
  return file;
}

MeasureFile read_measure_file(const std::string& path) {
  Hdf5Reader reader(path);
  MeasureFile file;
  file.record = read_record(reader);
  MeasureColumns columns = columns_of(reader, file.record);
  for_each_dataset(columns, into_column(reader));
  const std::vector<std::string> rounds = reader.links("/rounds");
  for_each_optional_dataset(columns, [&](const char* name, auto& array) {
    const std::string own = std::filesystem::path(name).filename();
    if (std::find(rounds.begin(), rounds.end(), own) != rounds.end()) into_column(reader)(name, array);
  });
  std::string fault = find_fault(columns);
  if (!fault.empty()) reader.fail(fault);
  if (content_digest(file.record, columns) != reader.text(root, layout::content)) {
    reader.fail("attribute content is not the SHA-256 of the content");
  }
  unpack(columns, file);
  return file;
}

void write_train_file(const std::string& path, const TrainFile& file, const Confirm& confirm) {
  ensure(description_of(file.record.task.kind).trains, "a training file is of a training task");
  size_t steps = file.log.step.size();
  for_each_column(file.log, [&](const char*, const std::vector<double>& column) {
    ensure(column.size() == steps, "the columns of a training log have one length");
  });
  TrainLog log = file.log;
  for_each_column(log, [](const char*, std::vector<double>& column) {
    for (double& value : column) value = std::isnan(value) ? nan_value : value;
  });
  prepare_directory(path);
  Hdf5Writer writer(path);
  write_record(writer, file.record, layout::version);
  writer.attribute(root, layout::adapter_digest, file.adapter_digest);
  writer.attribute(root, layout::content, content_digest(file.record, log, file.adapter_digest));
  for_each_column(log, [&](const std::string& name, const std::vector<double>& column) {
    writer.dataset(layout::log + name, Hdf5Array<double>{{column.size()}, column});
  });
  writer.commit(confirm);
}

TrainFile read_train_file(const std::string& path) {
  Hdf5Reader reader(path);
  TrainFile file;
  file.record = read_record(reader);
  check_kind(reader, file.record, description_of(file.record.task.kind).trains);
  file.adapter_digest = reader.text(root, layout::adapter_digest);
  for_each_column(file.log, [&](const std::string& name, std::vector<double>& column) {
    Hdf5Array<double> array = reader.dataset<double>(layout::log + name);
    if (array.shape.size() != 1) reader.fail(layout::log + name + " does not have one axis");
    column = std::move(array.values);
    if (column.size() != file.log.step.size()) reader.fail("the columns of /log differ in length");
  });
  if (content_digest(file.record, file.log, file.adapter_digest) != reader.text(root, layout::content)) {
    reader.fail("attribute content is not the SHA-256 of the content");
  }
  return file;
}

void write_scale_file(const std::string& path, const ScaleFile& file, const Confirm& confirm) {
  ensure(file.record.task.kind == TaskKind::scale, "a scale file is of a scale task");
  prepare_directory(path);
  Hdf5Writer writer(path);
  write_record(writer, file.record, layout::version);
  writer.attribute(root, layout::content, content_digest(file.record, file.samples));
  writer.dataset(layout::step_seconds, table_of(file.samples, &StepSample::seconds));
  writer.dataset(layout::resident_seconds, table_of(file.samples, &StepSample::resident_seconds));
  std::map<std::string, Hdf5Array<double>> columns;
  for (const StepSample& sample : file.samples) {
    for_each_number(sample, [&](const char* name, double value) { columns[name].values.push_back(value); });
  }
  for (auto& [name, column] : columns) {
    column.shape = {column.values.size()};
    writer.dataset(name, column);
  }
  writer.commit(confirm);
}

ScaleFile read_scale_file(const std::string& path) {
  Hdf5Reader reader(path);
  ScaleFile file;
  file.record = read_record(reader);
  check_kind(reader, file.record, file.record.task.kind == TaskKind::scale);
  const size_t ranks = reader.dataset<double>(layout::step_tokens).values.size();
  if (ranks == 0) reader.fail("no rank measured anything");
  file.samples.resize(ranks);
  read_table(reader, layout::step_seconds, &StepSample::seconds, file.samples);
  read_table(reader, layout::resident_seconds, &StepSample::resident_seconds, file.samples);
  for (size_t rank = 0; rank < ranks; ++rank) {
    for_each_number(file.samples[rank], [&](const char* name, double& value) {
      const Hdf5Array<double> column = reader.dataset<double>(name);
      if (column.shape != std::vector<uint64_t>{ranks})
        reader.fail(std::string(name) + " has another length");
      value = column.values[rank];
    });
  }
  if (file.samples.front().seconds.empty()) reader.fail("no step was timed");
  if (content_digest(file.record, file.samples) != reader.text(root, layout::content)) {
    reader.fail("attribute content is not the SHA-256 of the content");
  }
  return file;
}

namespace {

std::string content_digest(const RetentionFile& file) {
  return sha256(file.record.task.id + to_json(file.result).dump());
}

/// Calls visit(name, field) for each column of numbers in one of the three tables.
template <typename Visit>
void for_each_prompt_column(Visit visit) {
  visit(layout::keep_tokens, &KeptPrompt::tokens);
  visit(layout::keep_kl, &KeptPrompt::kl);
  visit(layout::keep_base_leak, &KeptPrompt::base_leak);
  visit(layout::keep_leak, &KeptPrompt::leak);
}
template <typename Visit>
void for_each_text_column(Visit visit) {
  visit(layout::text_tokens, &KeptText::tokens);
  visit(layout::text_base_nll, &KeptText::base_nll);
  visit(layout::text_nll, &KeptText::nll);
}
template <typename Visit>
void for_each_question_column(Visit visit) {
  visit(layout::question_base_mass, &KeptQuestion::base_mass);
  visit(layout::question_mass, &KeptQuestion::mass);
}

template <typename Row, typename Value>
Hdf5Array<Value> column_of(const std::vector<Row>& rows, Value Row::*field) {
  Hdf5Array<Value> column{{rows.size()}, {}};
  for (const Row& row : rows) column.values.push_back(row.*field);
  return column;
}

template <typename Row, typename Value>
void read_column(const Hdf5Reader& reader, const char* name, std::vector<Row>& rows, Value Row::*field) {
  const Hdf5Array<Value> column = reader.dataset<Value>(name);
  if (column.shape.size() != 1) reader.fail(std::string(name) + " does not have one axis");
  if (rows.empty()) rows.resize(column.values.size());
  if (rows.size() != column.values.size()) reader.fail(std::string(name) + " has another length");
  for (size_t row = 0; row < rows.size(); ++row) rows[row].*field = column.values[row];
}

/// Reads the prompts' kinds and numbers, and those of the plain text.
void read_kept(const Hdf5Reader& reader, RetentionResult& result) {
  read_column(reader, layout::keep_kind, result.prompts, &KeptPrompt::kind);
  for_each_prompt_column(
      [&](const char* name, auto field) { read_column(reader, name, result.prompts, field); });
  for_each_text_column([&](const char* name, auto field) { read_column(reader, name, result.texts, field); });
}

}  // namespace

void write_retention_file(const std::string& path, const RetentionFile& file, const Confirm& confirm) {
  const RetentionResult& result = file.result;
  prepare_directory(path);
  Hdf5Writer writer(path);
  write_record(writer, file.record, layout::version);
  writer.attribute(root, layout::content, content_digest(file));
  writer.dataset(layout::keep_kind, column_of(result.prompts, &KeptPrompt::kind));
  writer.dataset(layout::keep_prompt, column_of(result.prompts, &KeptPrompt::text));
  writer.dataset(layout::question_text, column_of(result.questions, &KeptQuestion::text));
  for_each_prompt_column(
      [&](const char* name, auto field) { writer.dataset(name, column_of(result.prompts, field)); });
  for_each_text_column(
      [&](const char* name, auto field) { writer.dataset(name, column_of(result.texts, field)); });
  for_each_question_column(
      [&](const char* name, auto field) { writer.dataset(name, column_of(result.questions, field)); });
  writer.commit(confirm);
}

RetentionFile read_retention_figures(const std::string& path) {
  Hdf5Reader reader(path);
  RetentionFile file{{read_identity(reader), {}, {}}, {}};
  check_kind(reader, file.record, file.record.task.kind == TaskKind::retention);
  read_kept(reader, file.result);
  return file;
}

RetentionFile read_retention_file(const std::string& path) {
  Hdf5Reader reader(path);
  RetentionFile file;
  file.record = read_record(reader);
  check_kind(reader, file.record, file.record.task.kind == TaskKind::retention);
  RetentionResult& result = file.result;
  read_kept(reader, result);
  read_column(reader, layout::keep_prompt, result.prompts, &KeptPrompt::text);
  read_column(reader, layout::question_text, result.questions, &KeptQuestion::text);
  for_each_question_column(
      [&](const char* name, auto field) { read_column(reader, name, result.questions, field); });
  if (content_digest(file) != reader.text(root, layout::content))
    reader.fail("attribute content is not the SHA-256 of the content");
  return file;
}

ArtefactState verify_artefact(const std::string& directory, const Task& task, std::string& why) {
  why.clear();
  if (!has_result(directory, task.id)) return ArtefactState::absent;
  try {
    why = find_artefact_fault(directory, task);
  } catch (const DataError& error) {
    why = error.what();
  } catch (const UserError& error) {
    why = error.what();
  }
  return why.empty() ? ArtefactState::verified : ArtefactState::damaged;
}

}  // namespace apportion
