#include "worker/session.h"

#include <algorithm>

#include "shared/data/catalogue.h"
#include "shared/model/shape_text.h"
#include "worker/device.h"
#include "worker/device_memory.h"
#include "worker/peak.h"

namespace apportion {

Session::Session(const RunConfig& config, at::Device device, int local_ranks)
    : config_(config),
      device_(device),
      local_ranks_(local_ranks),
      gguf_(tokenizer_file(config.data.model)),
      tokenizer_(gguf_),
      shape_(is_shape_text(config.data.model) ? parse_shape(config.data.model) : shape_of(gguf_)),
      dataset_(parse_dataset(find_dataset(config.data.dataset))) {
  const bool synthetic = is_shape_text(config.data.model);
  if (synthetic) tokenizer_.fold(static_cast<int32_t>(shape_.vocabulary));
  chat_ = std::make_unique<ChatTemplate>(gguf_, tokenizer_);
  weights_ = synthetic ? synthetic_weights(shape_) : gguf_weights(gguf_, shape_);
}

const Llama& Session::model(at::ScalarType type, const std::vector<int>& shard_ranks) {
  const bool sharded = shard_ranks.size() > 1;
  if (sharded) {
    std::erase_if(models_, [&](const auto& entry) {
      return entry.first != type || entry.second.shard_ranks != shard_ranks;
    });
    release_unused_memory();
  }
  Loaded& loaded = models_[type];
  if (loaded.model) return *loaded.model;
  BaseLayout layout;
  if (sharded) {
    constexpr int shard_tag = 1;  // groups are formed one after another, by the same ranks in the same order
    const auto sharing = config_.ranks.node_sharing ? NodeSharing::used : NodeSharing::ignored;
    loaded.collectives = make_mpi_collectives(shard_ranks, shard_tag, config_.ranks.timeout_s, sharing);
    if (device_.is_cuda()) {
      loaded.collectives = make_nccl_collectives(std::move(loaded.collectives), config_.ranks.timeout_s);
    }
    layout = {loaded.collectives.get(), keeps_gathered(type, *loaded.collectives)};
  }
  loaded.shard_ranks = shard_ranks;
  loaded.model = std::make_unique<Llama>(*weights_, shape_, type, device_, layout);
  release_unused_memory();  // rows as they came from the file
  return *loaded.model;
}

/// Ranks decide alike: the one with the least memory decides for all.
bool Session::keeps_gathered(at::ScalarType type, Collectives& ranks) const {
  if (config_.ranks.resident != Residence::automatic) return config_.ranks.resident == Residence::always;
  const auto element = static_cast<int64_t>(c10::elementSize(type));
  const double base =
      static_cast<double>(shape_.block_parameters()) * static_cast<double>(element) +
      4.0 * static_cast<double>(shape_.vocabulary * shape_.width) * (shape_.tied_embedding ? 1 : 2);
  const double share = free_memory(device_, local_ranks_);
  constexpr double most_of_free = 0.5;  // the rest is for activations
  const auto shares = ranks.all_gather({share});
  return base < most_of_free * *std::min_element(shares.begin(), shares.end());
}

double Session::peak(at::ScalarType type) {
  auto [entry, added] = peaks_.try_emplace(type, 0.0);
  if (added) entry->second = measure_peak(type, device_);
  return entry->second;
}

}  // namespace apportion
