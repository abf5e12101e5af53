#include "coordinator/capacity/study.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>
#include <sstream>

#include "coordinator/capacity/calibration.h"
#include "coordinator/capacity/prediction.h"
#include "coordinator/capacity/study_html.h"
#include "coordinator/capacity/study_page.h"
#include "coordinator/coordinator.h"
#include "coordinator/folder/folder_claims.h"
#include "coordinator/plan.h"
#include "coordinator/recorder.h"
#include "coordinator/report/html/html_page.h"
#include "coordinator/status.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/link/interrupt.h"
#include "shared/model_files/shape_text.h"
#include "shared/store/index.h"
#include "shared/store/task_file.h"

namespace apportion {
namespace {

Task scale_task(const RunConfig& config, const std::string& compute_type, const StudyPoint& point) {
  Task task;
  task.kind = TaskKind::scale;
  task.label = fmt::format("{}, ranks {}, shards {}, micro-batches {}", point.name, point.ranks,
                           point.shard_size, point.micro_batches);
  nlohmann::json layout = {
      {"ranks", point.ranks}, {"shard_size", point.shard_size}, {"micro_batches", point.micro_batches}};
  // In other tasks these only say how a result is made; here they are what is measured.
  for (const char* key : {"threads", "node_sharing", "resident", "recompute", "base_place"})
    layout[key] = config.value(key);
  task.identity = nlohmann::json{{"kind", name_of(task.kind)},
                                 {"revision", description_of(task.kind).revision},
                                 {"options", identity_options(config, scale_identity_keys())},
                                 {"compute_type", compute_type},
                                 {"model", canonical_shape(point.shape)},
                                 {"layout", layout},
                                 {"inputs", task.inputs}};
  task.id = task_id(task.identity);
  return task;
}

std::vector<std::string> shape_list(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::string> names;
  for (std::string word; words >> word;) names.push_back(word);
  return names;
}

/// Whether the point's result is there and may be used.
bool is_measured(const OutputConfig& output, const Task& task) {
  std::string why;
  return !output.force && verify_artefact(output.directory, task, why) == ArtefactState::verified;
}

/// The points still to be measured, each task once. Throws UserError when one needs more ranks than there
/// are.
std::vector<StudyPoint> missing_points(const std::vector<StudyPoint>& points, const OutputConfig& output,
                                       int ranks) {
  std::vector<StudyPoint> missing;
  std::set<std::string> seen;
  for (const StudyPoint& point : points) {
    if (!seen.insert(point.task.id).second || is_measured(output, point.task)) continue;
    if (point.ranks > ranks) {
      throw UserError(
          fmt::format("scale_ranks has {}, but the program runs on {}; start it with mpirun -n {}",
                      point.ranks, ranks, point.ranks));
    }
    missing.push_back(point);
  }
  return missing;
}

/// Measures one point after another: other ranks at work would disturb the measurement.
void measure(Link& link, const RunConfig& config, const JobEnvironment& environment,
             const std::vector<StudyPoint>& points) {
  Recorder recorder(config.output.directory, environment.ranks);
  Status status(config.output);
  FolderOptions claim_options;
  claim_options.directory = config.output.directory;
  claim_options.job = environment.name;
  claim_options.force = config.output.force;
  claim_options.limit_s = config.output.lease_s;
  FolderClaims claims(claim_options, status);
  for (const StudyPoint& point : missing_points(points, config.output, environment.ranks)) {
    CoordinatorOptions options;
    options.ranks = environment.ranks;
    options.groups = {point.ranks, point.micro_batches, point.shard_size};
    options.silence_limit_s = environment.silence_limit_s;
    options.interrupted = interrupt_signal;
    const TaskList task = task_list({point.task});
    recorder.add(config, nullptr, task);
    Coordinator(link, recorder, claims, status, task, {TaskState::waiting}, options).run();
  }
}

}  // namespace

const char* scaling_name(Scaling scaling) { return scaling == Scaling::weak ? "weak" : "strong"; }

std::vector<StudyPoint> study_points(const RunConfig& config, const std::string& compute_type) {
  const ScaleConfig& scale = config.scale;
  study_tree(scale);
  std::vector<StudyPoint> points;
  for (const std::string& name : shape_list(scale.shapes)) {
    const ModelShape shape = parse_shape(is_shape_text(name) ? name : "shape:" + name);
    for (Scaling scaling : scale.scaling) {
      for (uint64_t ranks : scale.ranks) {
        for (uint64_t shard_size : scale.shard_sizes) {
          if (ranks % shard_size != 0) continue;
          StudyPoint point{name, shape, scaling, static_cast<int>(ranks), static_cast<int>(shard_size),
                           1,    {}};
          point.micro_batches = study_micro_batches(config, scaling, point.ranks);
          point.task = scale_task(config, compute_type, point);
          points.push_back(std::move(point));
        }
      }
    }
  }
  if (points.empty()) {
    throw UserError(
        fmt::format("none of scale_shard_sizes = {} divides any of scale_ranks = {}; 1 always does",
                    config.value("scale_shard_sizes"), config.value("scale_ranks")));
  }
  return points;
}

namespace {

/// Measures what is missing, then makes the table and writes the files that a study leaves next to its
/// results.
std::string measured_page(Link& link, const RunConfig& config, const JobEnvironment& environment,
                          const std::vector<StudyPoint>& points, const CalibratedMachine& machine) {
  const OutputConfig& output = config.output;
  make_directories(output.directory);
  measure(link, config, environment, points);
  std::vector<StudyRow> rows;
  for (const StudyPoint& point : points) {
    rows.push_back({point, read_scale_file(result_path(output.directory, point.task.id)),
                    predict_step(point, config, machine)});
  }
  write_index(output.directory, {});
  const std::string coefficients = output.directory + "/coefficients.json";
  write_file(coefficients, coefficients_json(rows, config));
  const std::string page = study_page_path(output.directory);
  write_file(page, study_html(rows, output.directory));
  return output.json ? study_json(rows) : study_page(rows, {coefficients, page}, detect_style(stdout));
}

}  // namespace

void run_study(Link& link, const RunConfig& config, const JobEnvironment& environment) {
  const std::vector<StudyPoint> points =
      study_points(config, environment.resolved_type(config.train_compute_type));
  const CalibratedMachine machine = planned_machine(config.capacity);
  const std::string page = config.scale.predict
                               ? prediction_page(points, config, machine, detect_style(stdout))
                               : measured_page(link, config, environment, points, machine);
  print_output(page);
  for (int rank = 0; rank < environment.ranks; ++rank) link.send(rank, Stop{});
}

}  // namespace apportion
