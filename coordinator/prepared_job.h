// A cell before it runs: its data and its tasks. Cells of a sweep share what they have in common.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordinator/job.h"
#include "coordinator/plan.h"
#include "coordinator/recorder.h"
#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/model/prompt_lengths.h"

namespace apportion {

/// What is shared by cells that differ only in how training goes and what is drawn.
struct PreparedData {
  Dataset dataset;
  PlanInput input;  // without frames, which the seed draws
  TestSetTables tables;
};

/// Digest of the wordings that training adds to the dataset's own, and the notice that says so; empty: none.
struct AddedWordings {
  std::string digest, notice;
};

struct PreparedJob {
  std::shared_ptr<const PreparedData> data;
  std::string notice;  // AddedWordings'
  Plan plan;           // its cell has no targets: `data` holds them for many cells

  /// The cell as the index has it, with its targets.
  Cell cell() const;
};

/// The tasks of several cells, each listed once, after its inputs.
struct SharedTasks {
  TaskList tasks;
  std::unordered_map<std::string, std::vector<size_t>>
      cells_of;  // by task, in order; the task belongs to the first

  /// Call it for each cell in order. Returns the tasks that no earlier cell had.
  TaskList add(std::vector<Task> of_cell, size_t cell);
};

class JobPreparer {
 public:
  explicit JobPreparer(const JobEnvironment& environment) : environment_(environment) {}

  /// Reads dataset and model unless an earlier cell had the same. Throws for every mistake in the job that
  /// shows before it runs. The recipe and the layout must be resolved. `place` is the cell's number in its
  /// sweep.
  PreparedJob prepare(const JobCell& cell, size_t place);

 private:
  /// What cells ask and train on if they differ only in target shares, seeds and how training goes, and what
  /// has been derived from it for the cells so far.
  struct Texts {
    Dataset dataset;                   // with its own target shares
    PlanInput input;                   // without what depends on targets and seed
    std::optional<Framer> framer;      // if something is trained
    std::optional<LengthCheck> check;  // with the first cell's targets
    std::map<std::string, std::shared_ptr<const PreparedData>> of_target;
    std::map<uint64_t, AddedWordings> of_seed;
  };

  struct Model {
    std::unique_ptr<ModelFiles> files;
    std::string digest;
  };

  Texts& texts_of(const RunConfig& config);
  Texts read_texts(const RunConfig& config);
  PlanInput common_input(const RunConfig& config, const Dataset& dataset);
  std::shared_ptr<const PreparedData> data_of(const RunConfig& config, Texts& texts);
  const AddedWordings& added_to(const RunConfig& config, const PreparedData& data, Texts& texts);
  const Model& model_of(const std::string& model);
  void check_steering_of(const RunConfig& config, const Dataset& dataset);

  const JobEnvironment& environment_;
  std::unordered_map<std::string, Texts> texts_;  // by the values they depend on
  std::map<std::string, Model> models_;
  std::set<std::string> steered_;  // what check_steering_of() has already passed
};

}  // namespace apportion
