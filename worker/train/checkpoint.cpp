// Saving and finding a stage's state; see checkpoint.h.
#include "worker/train/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "shared/base/error.h"
#include "shared/link/interrupt.h"
#include "shared/store/checkpoint.h"
#include "shared/store/columns.h"

namespace apportion {
namespace {

// Tensors of a checkpoint, in addition to those of the trainee's parts.
constexpr const char* first_moment_name = "adam.first_moment";
constexpr const char* second_moment_name = "adam.second_moment";
constexpr const char* log_name = "log";  // one row a step, one column as in /log of a result

CheckpointTensor vector_tensor(const std::string& name, uint64_t size) {
  return {name, ElementType::float32, {size}};
}

/// The name of a part's moment; if there are several parts, with the suffix that tells them apart.
std::string moment_name(const char* moment, const StatePart& part) {
  const size_t slash = part.name.find('/');
  return slash == std::string::npos ? moment : moment + part.name.substr(slash);
}

CheckpointTensor log_tensor(const TrainLog& log) {
  uint64_t columns = 0;
  for_each_column(log, [&](const char*, const auto&) { ++columns; });
  return {log_name, ElementType::float64, {log.step.size(), columns}};
}

std::vector<double> log_rows(const TrainLog& log, uint64_t first, uint64_t last) {
  std::vector<double> rows;
  for (uint64_t row = first; row < last; ++row) {
    for_each_column(log,
                    [&](const char*, const std::vector<double>& column) { rows.push_back(column[row]); });
  }
  return rows;
}

/// Reads rows [first, last) of a tensor of the checkpoint, which must match `expected`.
void read_rows(CheckpointReader& reader, const CheckpointTensor& expected, uint64_t first, uint64_t last,
               std::span<char> out) {
  if (reader.tensor(expected.name) != expected) {
    throw DataError(expected.name, 0, "the tensor has another type or shape than this task's");
  }
  reader.read_rows(expected.name, first, last, out);
}

/// Reads this rank's part of a tensor into the vector of all its parts.
void read_part(CheckpointReader& reader, const std::string& name, const StatePart& part,
               const at::Tensor& all) {
  at::Tensor own = all.narrow(0, part.offset, static_cast<int64_t>(part.last - part.first));
  read_rows(reader, vector_tensor(name, part.rows), part.first, part.last,
            {static_cast<char*>(own.mutable_data_ptr()), own.nbytes()});
}

TrainLog read_log(CheckpointReader& reader, uint64_t steps) {
  TrainLog log;
  log.step.resize(steps);
  const CheckpointTensor tensor = log_tensor(log);
  std::vector<double> rows(steps * tensor.shape[1]);
  read_rows(reader, tensor, 0, steps, {reinterpret_cast<char*>(rows.data()), rows.size() * sizeof(double)});
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
  // All try what the first rank sees: for a while a folder may look different on other machines.
  const std::vector<double> candidates = collectives_.all_gather(own);
  uint64_t found = 0;
  for (double candidate : candidates) {
    const auto step = static_cast<uint64_t>(candidate);
    std::optional<Loaded> loaded;
    const std::optional<std::string> fault = read(step, state, steps, loaded);
    const std::vector<double> faults = collectives_.all_gather({fault ? 1.0 : 0.0});
    const auto first_fault = std::find(faults.begin(), faults.end(), 1.0);
    if (first_fault == faults.end()) {  // used only if all ranks could read it
      state.values.copy_(loaded->values);
      state.optimizer.resume(loaded->first_moment, loaded->second_moment, static_cast<int>(step));
      state.log = std::move(loaded->log);
      ranks_read_ = loaded->ranks;
      found = saved_ = step;
      break;
    }
    if (first_fault - faults.begin() == collectives_.group_rank()) {
      say_(Note::warning, "the checkpoint of step " + std::to_string(step) + " is skipped: " + *fault);
    }
  }
  if (candidates.empty()) return 0;
  if (first_rank) {
    remove_checkpoints_after(plan_.folder, found);
    say_(Note::information, found > 0
                                ? "goes on from step " + std::to_string(found) + " of " +
                                      std::to_string(steps) + " (checkpoint of " +
                                      std::to_string(ranks_read_) + (ranks_read_ == 1 ? " rank)" : " ranks)")
                                : "starts from the beginning: no checkpoint is whole");
  }
  collectives_.barrier();  // so nobody writes while another rank still removes
  return static_cast<int>(found);
}

std::optional<std::string> TrainCheckpoint::read(uint64_t step, const TrainState& state, int steps,
                                                 std::optional<Loaded>& loaded) const {
  try {
    CheckpointReader reader(plan_.folder, step, plan_.task_id);
    if (step >= static_cast<uint64_t>(steps)) {
      return "the stage has only " + std::to_string(steps) + " steps";
    }
    auto empty = [&] { return at::zeros({state.values.numel()}, at::kFloat); };
    loaded = Loaded{empty(), empty(), empty(), {}, reader.ranks()};
    for (const StatePart& part : state.parts) {
      read_part(reader, part.name, part, loaded->values);
      read_part(reader, moment_name(first_moment_name, part), part, loaded->first_moment);
      read_part(reader, moment_name(second_moment_name, part), part, loaded->second_moment);
    }
    loaded->log = read_log(reader, step);
    return std::nullopt;
  } catch (const DataError& error) {
    return error.what();
  }
}

void TrainCheckpoint::after_step(const TrainState& state, int done, int steps) {
  if (plan_.every == 0) return;
  if (pending_ > 0) settle();
  if (done % plan_.every != 0 || done == steps) return;
  if (pending_ > 0) complete();  // the disk is slower than the steps
  start(state, done);
}

void TrainCheckpoint::start(const TrainState& state, int done) {
  writer_.start(static_cast<uint64_t>(done), own_slices(state));
  pending_ = saved_ = static_cast<uint64_t>(done);
}

void TrainCheckpoint::pause_if_asked(const TrainState& state, int done, int steps) {
  if (!plan_.stops || !any_rank(plan_.stops())) return;
  if (static_cast<uint64_t>(done) > saved_) {
    complete();
    start(state, done);
  }
  complete();
  collectives_.barrier();
  throw TaskPaused(done, steps);
}

void TrainCheckpoint::complete() {
  if (pending_ > 0) {
    writer_.wait();
    settle();
    ensure(pending_ == 0, "a checkpoint is complete when all have waited for their parts");
  }
  writer_.wait();
}

bool TrainCheckpoint::any_rank(bool own) {
  const std::vector<double> all = collectives_.all_gather({own ? 1.0 : 0.0});
  return std::find(all.begin(), all.end(), 1.0) != all.end();
}

void TrainCheckpoint::settle() {
  if (any_rank(!writer_.idle())) return;
  if (collectives_.group_rank() == 0) writer_.start_completion(pending_);
  pending_ = 0;
}

std::vector<CheckpointSlice> TrainCheckpoint::own_slices(const TrainState& state) const {
  const int rank = collectives_.group_rank(), ranks = collectives_.size();
  std::vector<CheckpointSlice> slices;
  auto add = [&](const std::string& name, const StatePart& part, const at::Tensor& values) {
    const int64_t begin = part.offset + static_cast<int64_t>(part.write_first - part.first);
    const at::Tensor own =
        values.detach().narrow(0, begin, static_cast<int64_t>(part.write_last - part.write_first)).cpu();
    slices.push_back({vector_tensor(name, part.rows),
                      part.write_first,
                      part.write_last,
                      {static_cast<const char*>(own.const_data_ptr()), own.nbytes()}});
  };
  for (const StatePart& part : state.parts) {
    add(part.name, part, state.values);
    add(moment_name(first_moment_name, part), part, state.optimizer.first_moment());
    add(moment_name(second_moment_name, part), part, state.optimizer.second_moment());
  }
  const auto [first, last] = rows_of(0, state.log.step.size(), rank, ranks);
  const std::vector<double> rows = log_rows(state.log, first, last);
  slices.push_back({log_tensor(state.log),
                    first,
                    last,
                    {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(double)}});
  return slices;
}

}  // namespace apportion
