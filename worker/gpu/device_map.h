// Which rank computes on which GPU. Pure functions, so tests need no GPU; device_cuda.cpp asks CUDA.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace apportion {

/// The index of the GPU for rank `local_rank` of its machine, among those `visible` to it. If only one is
/// visible it is the rank's own, as Slurm's --gpus-per-task shows a task no other. Throws UserError if there
/// is none, or none is left.
int gpu_index(int local_rank, int visible);

/// Throws UserError naming two ranks that have the same GPU. `uuids` has those of all ranks' GPUs in the
/// order of ranks; empty ones (ranks without a GPU) are skipped.
void check_gpu_uuids(const std::vector<std::string>& uuids);

/// The UUID of 16 bytes as NVIDIA's tools write it, "GPU-00112233-4455-...".
std::string gpu_uuid_text(const std::string& bytes);

}  // namespace apportion
