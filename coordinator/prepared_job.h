// A cell before it runs: what it works with, and its tasks. Cells of a sweep share what they have in common.
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

/// What cells have in common that differ in nothing but how training goes and what is drawn.
struct PreparedData {
  Dataset dataset;
  PlanInput input;  // without frames, which the seed draws
  TestSetTables tables;
};

/// What training adds to the dataset's own wordings, and how that is told; empty: nothing.
struct AddedWordings {
  std::string digest, notice;
};

struct PreparedJob {
  std::shared_ptr<const PreparedData> data;
  std::string notice;  // AddedWordings'
  Plan plan;           // its cell without targets, which stand in `data` for many

  /// As the index has it.
  Cell cell() const;
};

/// The tasks of several cells, each once and after its inputs.
struct SharedTasks {
  TaskList tasks;
  std::unordered_map<std::string, std::vector<size_t>> cells_of;  // by task, in order: it is the first one's

  /// Cells in their order. Those that no cell before had.
  TaskList add(std::vector<Task> of_cell, size_t cell);
};

class JobPreparer {
 public:
  explicit JobPreparer(const JobEnvironment& environment) : environment_(environment) {}

  /// Reads dataset and model unless a cell before had the same. Throws what is wrong with the job that can be
  /// told before it runs. The recipe and the layout are resolved. `place` is the cell's number in its sweep.
  PreparedJob prepare(const JobCell& cell, size_t place);

 private:
  /// What cells ask and train on that differ in shares to follow, seeds, and how training goes alone, and
  /// what was made of it for those that there were.
  struct Texts {
    Dataset dataset;                   // with its own shares
    PlanInput input;                   // without what depends on shares and seed
    std::optional<Framer> framer;      // where something is trained
    std::optional<LengthCheck> check;  // with the first cell's shares
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
  std::unordered_map<std::string, Texts> texts_;  // by the values that they depend on
  std::map<std::string, Model> models_;
  std::set<std::string> steered_;  // what check_steering_of() has seen to be right
};

}  // namespace apportion
