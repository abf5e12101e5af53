// Options that depend on the memory at hand, decided before anything large is loaded: how many ranks share
// one copy of the base (shard_size = auto), and whether blocks are computed twice (recompute = auto). What a
// layout needs is model/memory.h's, the order in which layouts are tried model/layout_choice.h's.
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

inline constexpr double gibi = 1073741824;

/// "1.50 GiB".
std::string gibibytes(double bytes);

/// Bytes that a layout is taken to need, from those of tensors that the memory model counts: on a CPU blocks
/// of memory are larger than what was asked for (device_memory.h), and the program grows besides; on a GPU
/// what gpu_beside says.
double with_reserve(const ModelShape& shape, const RankLayout& layout, double tensor_bytes,
                    at::Device device);

/// What the rank with the least could still take; the same on all `ranks`. Collective.
double least_free_memory(const RankDevice& rank, Collectives& ranks);

/// Of what `freedom` leaves open, the first layout that fits in `memory_bytes`. Throws UserError when none
/// does: what `model` needs on a rank, what a rank has, what would be right.
LayoutChoice fitting_layout(
    const std::string& model, const LayoutFreedom& freedom, double memory_bytes,
    const std::function<double(int64_t shard_size, Recompute recompute)>& needed_bytes);

/// Throws UserError, the same on all `ranks` of the job, when two of them would compute on one GPU.
/// Collective where ranks have GPUs.
void check_devices(const RunConfig& config, const RankPlace& place, int ranks);

/// Puts the layout's values in the place of `auto`.
void put_layout(RunConfig& config, const LayoutChoice& layout);

/// Puts definite values in the place of `shard_size = auto` and `recompute = auto`, the same on all `ranks`
/// of the job (1: this process is alone): rank 0 reads model and dataset and decides by what its first
/// batches and its units need, for the rank with the least memory. With neither left open nothing is read or
/// asked. Returns a line for people where ranks share or recompute because they have to, on rank 0; else
/// empty. Throws as Session and fitting_layout, on rank 0. Collective.
std::string resolve_layout(RunConfig& config, const RankPlace& place, int ranks);

/// The job's size, and the layout that resolve_layout would choose for so many ranks like this one with
/// `memory_bytes` each, whether or not it fits. Reads model and dataset, and throws as Session.
JobSize size_of_job(const RunConfig& config, const RankPlace& place, int ranks, double memory_bytes);

}  // namespace apportion
