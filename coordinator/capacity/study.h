// A scaling study: which shapes are measured on which ranks and layouts, one task each, and the run that has
// them done one after another. Reuses a job's machinery (coordinator.h, recorder.h, the store), so that what
// is measured already is not measured again. What is printed of it is study_page.h's.
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

/// One measurement. Weak and strong scaling that ask for the same batch on the same ranks share a task.
struct StudyPoint {
  std::string name;  // of the shape, as it was given
  ModelShape shape;
  Scaling scaling = Scaling::weak;
  int ranks = 1, shard_size = 1, micro_batches = 1;
  Task task;
};

const char* scaling_name(Scaling scaling);

/// Every shape on every number of ranks, cut into every shard size that divides it. Pure. `compute_type` is
/// resolved. Throws UserError for a shape or a tree that is not right, and when no shard size divides any
/// number of ranks.
std::vector<StudyPoint> study_points(const RunConfig& config, const std::string& compute_type);

/// Measures what is not there yet, writes coefficients.json and report.html, prints the table (with --json
/// all figures), and lets the ranks go. With scale_predict what the cost model expects of
/// the study is printed instead. Throws UserError when what is missing needs more ranks than there are, and
/// what Coordinator::run throws.
void run_study(Link& link, const RunConfig& config, const JobEnvironment& environment);

}  // namespace apportion
