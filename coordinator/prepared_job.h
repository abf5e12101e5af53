// A cell before it runs: what it works with, and its tasks. Cells of a sweep share what they have in common.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordinator/job.h"
#include "coordinator/plan.h"
#include "coordinator/recorder.h"
#include "shared/data/dataset.h"

namespace apportion {

/// What cells have in common that differ in nothing but how training goes and what is drawn.
struct PreparedData {
  Dataset dataset;
  PlanInput input;  // without what is the cell's own: compute types, frames, judges
  TestSetTables tables;
};

/// What training adds to the dataset's own wordings, and how that is told; empty: nothing.
struct AddedWordings {
  std::string digest, notice;
};

struct PreparedJob {
  std::shared_ptr<const PreparedData> data;
  std::string notice;  // AddedWordings'
  Plan plan;
};

/// The tasks of several cells, each once and after its inputs.
struct SharedTasks {
  std::vector<Task> tasks;
  std::unordered_map<std::string, std::vector<size_t>> cells_of;  // by task, in order: it is the first one's

  /// Cells in their order.
  void add(const std::vector<Task>& of_cell, size_t cell);
};

class JobPreparer {
 public:
  explicit JobPreparer(const JobEnvironment& environment) : environment_(environment) {}

  /// Reads dataset and model unless a cell before had the same. Throws what is wrong with the job that can be
  /// told before it runs. The recipe and the layout are resolved. `place` is the cell's number in its sweep.
  PreparedJob prepare(const JobCell& cell, size_t place);

 private:
  std::shared_ptr<const PreparedData> data_of(const RunConfig& config);
  const AddedWordings& added_to(const RunConfig& config, const Dataset& dataset);
  const std::string& digest_of_model(const std::string& model);

  const JobEnvironment& environment_;
  // By what they depend on.
  std::map<std::string, std::shared_ptr<const PreparedData>> data_;
  std::map<std::string, AddedWordings> added_;
  std::map<std::string, std::string> model_digests_;
};

}  // namespace apportion
