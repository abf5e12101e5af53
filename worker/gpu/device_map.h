// Which rank computes on which GPU; pure, so that it is tested without any. Asking CUDA is device_cuda.cpp's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace apportion {

/// The index of the GPU for the rank `local_rank` of its machine, of those `visible` to it. One alone is its
/// own: Slurm's --gpus-per-task shows a task no other. Throws UserError when there is none, or none is left.
int gpu_index(int local_rank, int visible);

/// Throws UserError that names two ranks whose GPU is the same, by the UUIDs of all ranks' GPUs in the order
/// of ranks. Empty ones, of ranks without a GPU, are passed over.
void check_gpu_uuids(const std::vector<std::string>& uuids);

/// A UUID as NVIDIA's tools write it, "GPU-00112233-4455-...", from its 16 bytes.
std::string gpu_uuid_text(const std::string& bytes);

}  // namespace apportion
