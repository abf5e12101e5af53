#include "worker/session.h"

#include <algorithm>

#include "shared/base/error.h"
#include "shared/data/catalogue.h"
#include "shared/model/memory.h"
#include "shared/model/shape_text.h"
#include "shared/model_files/hub_name.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/models/weights_file.h"
#include "worker/peak.h"

namespace apportion {

std::vector<int> shard_ranks_of(const std::vector<int>& group, int group_rank, int shard_size) {
  ensure(group.size() % static_cast<size_t>(shard_size) == 0, "a group is a multiple of shard_size");
  const auto first = group.begin() + group_rank / shard_size * shard_size;
  return {first, first + shard_size};
}

std::vector<int> replica_ranks_of(const std::vector<int>& group, int group_rank, int shard_size) {
  std::vector<int> ranks;
  for (size_t r = static_cast<size_t>(group_rank % shard_size); r < group.size();
       r += static_cast<size_t>(shard_size)) {
    ranks.push_back(group[r]);
  }
  return ranks;
}

bool has_room_for_base(const ModelShape& shape, at::ScalarType type, const BaseConfig& base,
                       const RankDevice& rank, Collectives& ranks) {
  RankLayout layout;
  layout.base = base.type;
  layout.compute_bytes = static_cast<double>(c10::elementSize(type));
  const RankMemory memory = rank_memory(shape, {}, {}, layout);
  const double share = free_memory(rank.device, rank.local_ranks);
  constexpr double most_of_free = 0.5;  // the rest is for activations
  const auto shares = ranks.all_gather({share});
  return memory.base + memory.gathered + memory.embedding <
         most_of_free * *std::min_element(shares.begin(), shares.end());
}

std::unique_ptr<Collectives> make_group(const std::vector<int>& ranks, int tag, at::Device device,
                                        const RanksConfig& config) {
  auto group = make_mpi_collectives(ranks, tag, config.timeout_s,
                                    config.node_sharing ? NodeSharing::used : NodeSharing::ignored);
  return device.is_cuda() ? make_nccl_collectives(std::move(group), config.timeout_s) : std::move(group);
}

LoadedModel load_model(const WeightSource& weights, const ModelShape& shape, at::ScalarType type,
                       const RankDevice& rank, const std::vector<int>& shard_ranks, const RanksConfig& config,
                       const BaseConfig& base) {
  LoadedModel loaded{shard_ranks, nullptr, nullptr, nullptr, ""};
  BaseLayout layout;
  if (shard_ranks.size() > 1) {
    constexpr int shard_tag = 1;  // groups are formed one after another, by the same ranks in the same order
    loaded.collectives = make_group(shard_ranks, shard_tag, rank.device, config);
    layout.ranks = loaded.collectives.get();
  }
  layout.place = base.place;
  layout.resident = config.resident == Residence::always;
  // What is left in its file is left there to save memory.
  if (layout.ranks && base.place == BasePlace::memory && config.resident == Residence::automatic)
    layout.resident = has_room_for_base(shape, type, base, rank, *loaded.collectives);
  loaded.model = std::make_unique<Llama>(weights, shape, type, rank.device, layout, base.type);
  release_device_memory(rank.device);  // rows as they came from the file
  return loaded;
}

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
}

std::unique_ptr<WeightSource> Session::weights(const std::string& trained_by) const {
  if (!trained_by.empty()) {
    return saved_weights(weights_directory(config_.output.directory, trained_by), shape_);
  }
  return is_shape_text(config_.data.model) ? synthetic_weights(shape_) : gguf_weights(gguf_, shape_);
}

std::string Session::hub_name() const {
  return is_shape_text(config_.data.model) ? "" : apportion::hub_name(gguf_);
}

void Session::release_models() {
  models_.clear();
  release_device_memory(device_);
}

const Llama& Session::model(at::ScalarType type, const std::vector<int>& shard_ranks,
                            const std::string& trained_by) {
  const bool sharded = shard_ranks.size() > 1;
  if (sharded ||
      (!models_.contains(type) &&
       !has_room_for_base(shape_, type, config_.base, {device_, local_ranks_}, *make_local_collectives()))) {
    std::erase_if(models_, [&](const auto& entry) {
      return entry.first != type || entry.second.shard_ranks != shard_ranks;
    });
    release_device_memory(device_);
  }
  LoadedModel& loaded = models_[type];
  if (!loaded.model || loaded.trained_by != trained_by) {
    loaded.model.reset();  // two of them need not fit
    auto source = weights(trained_by);
    loaded =
        load_model(*source, shape_, type, {device_, local_ranks_}, shard_ranks, config_.ranks, config_.base);
    if (config_.base.place == BasePlace::file) loaded.weights = std::move(source);
    loaded.trained_by = trained_by;
  }
  return *loaded.model;
}

double Session::peak(at::ScalarType type) {
  auto [entry, added] = peaks_.try_emplace(type, 0.0);
  if (added) entry->second = measure_peak(type, device_);
  return entry->second;
}

}  // namespace apportion
