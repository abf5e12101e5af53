// A scaling study: which shapes are measured on which ranks and layouts, one task each, and the run that does
// them one after another. Reuses a job's machinery (coordinator.h, recorder.h, the store), so nothing is
// measured twice. study_page.h prints it.
#pragma once

#include <string>
#include <vector>

#include "coordinator/job.h"
#include "shared/architecture/shape.h"
#include "shared/config/run_config.h"
#include "shared/config/task.h"
#include "shared/link/link.h"
#include "shared/model/study_tree.h"

namespace apportion {

/// One measurement. Weak and strong scaling share a task when they ask for the same batch on the same ranks.
struct StudyPoint {
  std::string name;  // of the shape, as the user gave it
  ModelShape shape;
  Scaling scaling = Scaling::weak;
  int ranks = 1, shard_size = 1, micro_batches = 1;
  Task task;
};

const char* scaling_name(Scaling scaling);

/// Every shape on every number of ranks, with every shard size that divides it. Pure. `compute_type` must be
/// resolved. Throws UserError for an invalid shape or tree, and when no shard size divides any number of
/// ranks.
std::vector<StudyPoint> study_points(const RunConfig& config, const std::string& compute_type);

/// Measures what is missing, writes coefficients.json and scaling.html, prints the table (with --json all
/// figures), and lets the ranks go. With scale_predict it prints the cost model's prediction instead. Throws
/// UserError when what is missing needs more ranks than there are, and what Coordinator::run throws.
void run_study(Link& link, const RunConfig& config, const JobEnvironment& environment);

}  // namespace apportion
