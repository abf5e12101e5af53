#include "worker/gpu/device_map.h"

#include <array>
#include <cstdio>
#include <map>

#include "shared/base/error.h"

namespace apportion {

int gpu_index(int local_rank, int visible) {
  if (visible == 0)
    throw UserError("this program is built for CUDA and no GPU was found: use the one built for the CPU");
  if (visible == 1) return 0;
  if (local_rank < visible) return local_rank;
  throw UserError("rank " + std::to_string(local_rank) +
                  " of this node has no GPU of its own, the node has " + std::to_string(visible) +
                  ": start at most that many ranks a node");
}

void check_gpu_uuids(const std::vector<std::string>& uuids) {
  std::map<std::string, size_t> rank_of;
  for (size_t rank = 0; rank < uuids.size(); ++rank) {
    if (uuids[rank].empty()) continue;
    const auto [first, is_new] = rank_of.try_emplace(uuids[rank], rank);
    if (is_new) continue;
    throw UserError(
        "ranks " + std::to_string(first->second) + " and " + std::to_string(rank) +
        " would both compute on " + gpu_uuid_text(uuids[rank]) +
        ": start one rank for each GPU, with all GPUs of the node visible to every rank or one to "
        "each (srun --gpus-per-task=1)");
  }
}

std::string gpu_uuid_text(const std::string& bytes) {
  std::string text = "GPU-";
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> two{};
    std::snprintf(two.data(), two.size(), "%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
    text += two.data();
  }
  return text;
}

}  // namespace apportion
