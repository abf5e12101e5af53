// Saving and finding a stage's state; see checkpoint.h.
#include "worker/train/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "shared/base/error.h"
#include "shared/store/checkpoint.h"
#include "shared/store/columns.h"

namespace apportion {
namespace {

// The tensors of a checkpoint.
constexpr const char* values_name = "adapter";
constexpr const char* first_moment_name = "adam.first_moment";
constexpr const char* second_moment_name = "adam.second_moment";
constexpr const char* log_name = "log";  // one row a step, one column as in /log of a result

CheckpointTensor vector_tensor(const char* name, int64_t size) {
  return {name, ElementType::float32, {static_cast<uint64_t>(size)}};
}

CheckpointTensor log_tensor(const TrainLog& log) {
  uint64_t columns = 0;
  for_each_column(log, [&](const char*, const auto&) { ++columns; });
  return {log_name, ElementType::float64, {log.step.size(), columns}};
}

/// The part of `rows` rows that a rank writes.
std::pair<uint64_t, uint64_t> rows_of(uint64_t rows, int rank, int ranks) {
  auto begin = [&](int r) {  // rows * r / ranks without overflow
    const auto part = static_cast<uint64_t>(r), parts = static_cast<uint64_t>(ranks);
    return rows / parts * part + rows % parts * part / parts;
  };
  return {begin(rank), begin(rank + 1)};
}

std::vector<double> log_rows(const TrainLog& log, uint64_t first, uint64_t last) {
  std::vector<double> rows;
  for (uint64_t row = first; row < last; ++row) {
    for_each_column(log,
                    [&](const char*, const std::vector<double>& column) { rows.push_back(column[row]); });
  }
  return rows;
}

/// A tensor of the checkpoint, which must be as `expected` says.
void read_all(CheckpointReader& reader, const CheckpointTensor& expected, std::span<char> out) {
  if (reader.tensor(expected.name) != expected) {
    throw DataError(expected.name, 0, "the tensor has another type or shape than this task's");
  }
  reader.read_rows(expected.name, 0, expected.rows(), out);
}

at::Tensor read_vector(CheckpointReader& reader, const char* name, int64_t size) {
  at::Tensor values = at::empty({size}, at::kFloat);
  read_all(reader, vector_tensor(name, size),
           {static_cast<char*>(values.mutable_data_ptr()), values.nbytes()});
  return values;
}

TrainLog read_log(CheckpointReader& reader, uint64_t steps) {
  TrainLog log;
  log.step.resize(steps);
  const CheckpointTensor tensor = log_tensor(log);
  std::vector<double> rows(steps * tensor.shape[1]);
  read_all(reader, tensor, {reinterpret_cast<char*>(rows.data()), rows.size() * sizeof(double)});
  size_t column_index = 0;
  for_each_column(log, [&](const char*, std::vector<double>& column) {
    column.resize(steps);
    for (size_t row = 0; row < steps; ++row) column[row] = rows[row * tensor.shape[1] + column_index];
    ++column_index;
  });
  return log;
}

}  // namespace

TrainCheckpoint::TrainCheckpoint(CheckpointPlan plan, Collectives& collectives, Say say)
    : plan_(std::move(plan)),
      collectives_(collectives),
      say_(std::move(say)),
      writer_(plan_.folder, plan_.task_id, static_cast<uint64_t>(collectives.group_rank()),
              static_cast<uint64_t>(collectives.size())) {}

int TrainCheckpoint::load(const TrainState& state, int steps) {
  const bool first_rank = collectives_.group_rank() == 0;
  std::vector<double> own;
  if (first_rank) {
    for (uint64_t step : checkpoint_steps(plan_.folder)) own.push_back(static_cast<double>(step));
  }
  // What the first rank sees is what all try: folders may look different for a while on other machines.
  const std::vector<double> candidates = collectives_.all_gather(own);
  uint64_t found = 0;
  for (double candidate : candidates) {
    const auto step = static_cast<uint64_t>(candidate);
    std::optional<Loaded> loaded;
    const std::optional<std::string> fault = read(step, state, steps, loaded);
    const std::vector<double> faults = collectives_.all_gather({fault ? 1.0 : 0.0});
    const auto first_fault = std::find(faults.begin(), faults.end(), 1.0);
    if (first_fault == faults.end()) {  // only what all could read is put in force
      state.values.copy_(loaded->values);
      state.optimizer.resume(loaded->first_moment, loaded->second_moment, static_cast<int>(step));
      state.log = std::move(loaded->log);
      ranks_read_ = loaded->ranks;
      found = step;
      break;
    }
    if (first_fault - faults.begin() == collectives_.group_rank()) {
      say_(Note::warning, "the checkpoint of step " + std::to_string(step) + " is passed over: " + *fault);
    }
  }
  if (candidates.empty()) return 0;
  if (first_rank) {
    remove_checkpoints_after(plan_.folder, found);
    say_(Note::information, found > 0
                                ? "goes on from step " + std::to_string(found) + " of " +
                                      std::to_string(steps) + " (checkpoint of " +
                                      std::to_string(ranks_read_) + (ranks_read_ == 1 ? " rank)" : " ranks)")
                                : "starts anew: no checkpoint is whole");
  }
  collectives_.barrier();  // nobody writes where something is still removed
  return static_cast<int>(found);
}

std::optional<std::string> TrainCheckpoint::read(uint64_t step, const TrainState& state, int steps,
                                                 std::optional<Loaded>& loaded) const {
  try {
    CheckpointReader reader(plan_.folder, step, plan_.task_id);
    if (step >= static_cast<uint64_t>(steps)) {
      return "the stage has only " + std::to_string(steps) + " steps";
    }
    const int64_t size = state.values.numel();
    loaded = Loaded{read_vector(reader, values_name, size), read_vector(reader, first_moment_name, size),
                    read_vector(reader, second_moment_name, size), read_log(reader, step), reader.ranks()};
    return std::nullopt;
  } catch (const DataError& error) {
    return error.what();
  }
}

void TrainCheckpoint::after_step(const TrainState& state, int done, int steps) {
  if (plan_.every == 0) return;
  if (pending_ > 0) settle();
  if (done % plan_.every != 0 || done == steps) return;
  if (pending_ > 0) {  // the disk is slower than the steps
    writer_.wait();
    settle();
    ensure(pending_ == 0, "a checkpoint is complete when all have waited for their parts");
  }
  writer_.start(static_cast<uint64_t>(done), own_slices(state));
  pending_ = static_cast<uint64_t>(done);
}

void TrainCheckpoint::settle() {
  const std::vector<double> idle = collectives_.all_gather({writer_.idle() ? 1.0 : 0.0});
  if (std::find(idle.begin(), idle.end(), 0.0) != idle.end()) return;
  if (collectives_.group_rank() == 0) writer_.start_completion(pending_);
  pending_ = 0;
}

std::vector<CheckpointSlice> TrainCheckpoint::own_slices(const TrainState& state) const {
  const int rank = collectives_.group_rank(), ranks = collectives_.size();
  std::vector<CheckpointSlice> slices;
  auto add = [&](const char* name, const at::Tensor& values) {
    const auto [first, last] = rows_of(static_cast<uint64_t>(values.numel()), rank, ranks);
    at::Tensor own = values.detach().slice(0, static_cast<int64_t>(first), static_cast<int64_t>(last)).cpu();
    slices.push_back({vector_tensor(name, values.numel()),
                      first,
                      last,
                      {static_cast<const char*>(own.const_data_ptr()), own.nbytes()}});
  };
  add(values_name, state.values);
  add(first_moment_name, state.optimizer.first_moment());
  add(second_moment_name, state.optimizer.second_moment());
  const auto [first, last] = rows_of(state.log.step.size(), rank, ranks);
  const std::vector<double> rows = log_rows(state.log, first, last);
  slices.push_back({log_tensor(state.log),
                    first,
                    last,
                    {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(double)}});
  return slices;
}

}  // namespace apportion
