// Decides options that depend on the memory at hand, before anything large is loaded: how many ranks share
// one copy of the base (shard_size = auto), and whether blocks are computed twice (recompute = auto). What a
// layout needs: model/memory.h; in which order layouts are tried: model/layout_choice.h.
#pragma once

#include <functional>
#include <string>

#include "shared/config/run_config.h"
#include "shared/model/job_size.h"
#include "shared/model/layout_choice.h"
#include "shared/model/memory.h"
#include "worker/session.h"
#include "worker/worker.h"

namespace apportion {

/// "1.50 GiB".
std::string gibibytes(double bytes);

/// Bytes that we assume a layout needs, given the bytes of tensors that the memory model counts. On a CPU,
/// blocks of memory are larger than requested (device_memory.h), and the program itself grows; on a GPU,
/// gpu_beside says what to add.
double with_reserve(const ModelShape& shape, const RankLayout& layout, double tensor_bytes,
                    at::Device device);

/// Bytes that the rank with the least free memory could still take; the same on all `ranks`. Collective.
double least_free_memory(const RankDevice& rank, Collectives& ranks);

/// The first layout that fits in `memory_bytes`, among those that `freedom` leaves open. Throws UserError
/// when none does, and says what `model` needs on a rank, what a rank has, and what would help.
LayoutChoice fitting_layout(
    const std::string& model, const LayoutFreedom& freedom, double memory_bytes,
    const std::function<double(int64_t shard_size, Recompute recompute)>& needed_bytes);

/// Throws UserError, on all `ranks` of the job alike, when two of them would compute on one GPU. Collective
/// if ranks have GPUs.
void check_devices(const RunConfig& config, const RankPlace& place, int ranks);

/// Replaces `auto` by the layout's values.
void put_layout(RunConfig& config, const LayoutChoice& layout);

/// Replaces `shard_size = auto` and `recompute = auto` by definite values, the same on all `ranks` of the job
/// (1: this process is alone). Rank 0 reads model and dataset, and decides from what the first batches and
/// the units need, for the rank with the least memory. If neither is `auto`, nothing is read or asked.
/// Returns on rank 0 a line for people if ranks share or recompute because they have to, else nothing. Throws
/// as Session and fitting_layout do, on rank 0. Collective.
std::string resolve_layout(RunConfig& config, const RankPlace& place, int ranks);

/// Sizes jobs for `ranks` ranks like this one with `memory_bytes` each. Models and datasets that it has read
/// serve the next jobs too.
class JobSizer {
 public:
  JobSizer(const RankPlace& place, int ranks, double memory_bytes);

  /// The job's size, and the layout that resolve_layout would choose, whether or not it fits. Throws as
  /// Session does.
  JobSize size_of(const RunConfig& config);

 private:
  RankPlace place_;
  int ranks_;
  double memory_bytes_;
  SessionPool sessions_;
};

}  // namespace apportion
