#include "worker/session.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "shared/base/error.h"
#include "shared/config/target.h"
#include "shared/data/catalogue.h"
#include "shared/data/target.h"
#include "shared/model/memory.h"
#include "shared/model_files/tensor_reader.h"
#include "shared/store/task_file.h"
#include "worker/device.h"
#include "worker/peak.h"

namespace apportion {

namespace {

/// Reports how many of the tensors have been begun.
class ToldTensors : public TensorReader {
 public:
  ToldTensors(std::unique_ptr<TensorReader> tensors, const ModelShape& shape,
              std::shared_ptr<const Session::LoadingTold> told)
      : TensorReader(shape), of_(std::move(tensors)), told_(std::move(told)) {}

  void read_rows(const std::string& name, int64_t first, int64_t last, float* out) const override {
    tell(name);
    of_->read_rows(name, first, last, out);
  }
  bool read_packed_rows(const std::string& name, int64_t first, int64_t last, TensorType type,
                        uint8_t* out) const override {
    tell(name);
    return of_->read_packed_rows(name, first, last, type, out);
  }
  std::optional<TensorType> stored_type(const std::string& name) const override {
    return of_->stored_type(name);
  }

 private:
  void tell(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    begun_.insert(name);
    if (*told_) (*told_)(static_cast<int64_t>(begun_.size()), static_cast<int64_t>(tensors().size()));
  }

  std::unique_ptr<TensorReader> of_;
  std::shared_ptr<const Session::LoadingTold> told_;
  mutable std::mutex mutex_;
  mutable std::set<std::string> begun_;
};

}  // namespace

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

std::unique_ptr<Collectives> make_group(const std::vector<int>& ranks, int tag, const RankDevice& rank,
                                        const RanksConfig& config) {
  auto group = make_mpi_collectives(ranks, tag, config.timeout_s,
                                    config.node_sharing ? NodeSharing::used : NodeSharing::ignored);
  return on_device(std::move(group), ranks, rank, config);
}

std::unique_ptr<Collectives> on_device(std::unique_ptr<Collectives> hosts, const std::vector<int>& ranks,
                                       const RankDevice& rank, const RanksConfig& config) {
  if (!rank.device.is_cuda()) return hosts;
  return make_nccl_collectives(std::move(hosts),
                               {rank.communicators, ranks, config.connect_timeout_s, config.timeout_s});
}

std::string placement_warning(const std::vector<int>& machines, int shard_size) {
  const auto size = static_cast<std::ptrdiff_t>(shard_size);
  // Adds up the machines of each copy; finds the first copy that is on several.
  auto spread = [&](const std::vector<int>& places, std::ptrdiff_t* first_apart) {
    size_t total = 0;
    for (auto copy = places.begin(); places.end() - copy >= size; copy += size) {
      const size_t machines_of_copy = std::set<int>(copy, copy + size).size();
      total += machines_of_copy;
      if (first_apart && *first_apart < 0 && machines_of_copy > 1) *first_apart = copy - places.begin();
    }
    return total;
  };
  std::vector<int> in_order = machines;
  std::sort(in_order.begin(), in_order.end());
  size_t most = 1;  // ranks of a machine
  for (int machine : machines)
    most = std::max<size_t>(most, std::count(machines.begin(), machines.end(), machine));
  const size_t copies = machines.size() / static_cast<size_t>(size);
  const size_t least = copies * ((static_cast<size_t>(size) + most - 1) / most);
  std::ptrdiff_t first = -1;
  const size_t is = spread(machines, &first), could_be = spread(in_order, nullptr);
  if (is <= least) return "";
  return "shard_size = " + std::to_string(shard_size) + ": ranks " + std::to_string(first) + " to " +
         std::to_string(first + size - 1) +
         " of the group hold a copy of the base together and are on several machines, so each gather goes "
         "over the network; " +
         (could_be < is ? "mpirun --map-by slot (or core) puts neighbouring ranks on one machine"
                        : "use a shard_size that divides the ranks of a machine");
}

std::vector<int> machines_of(Collectives& group) {
  const std::vector<double> firsts = group.all_gather({static_cast<double>(group.node_ranks().front())});
  return {firsts.begin(), firsts.end()};
}

LoadedModel load_model(const WeightSource& weights, const ModelShape& shape, at::ScalarType type,
                       const RankDevice& rank, const std::vector<int>& shard_ranks, const RanksConfig& config,
                       const BaseConfig& base) {
  LoadedModel loaded{shard_ranks, nullptr, nullptr, nullptr, ""};
  BaseLayout layout;
  if (shard_ranks.size() > 1) {
    constexpr int shard_tag = 1;  // groups are formed one after another, by the same ranks in the same order
    loaded.collectives = make_group(shard_ranks, shard_tag, rank, config);
    layout.ranks = loaded.collectives.get();
  }
  layout.place = base.place;
  layout.resident = config.resident == Residence::always;
  // A base that stays in its file stays there to save memory.
  if (layout.ranks && base.place == BasePlace::memory && config.resident == Residence::automatic)
    layout.resident = has_room_for_base(shape, type, base, rank, *loaded.collectives);
  loaded.model = std::make_unique<Llama>(weights, shape, type, rank.device, layout, base.type);
  release_device_memory(rank.device);  // that held rows as read from the file
  if (loaded.collectives) loaded.collectives->meet(config.connect_timeout_s);
  return loaded;
}

Session::Session(RunConfig config, const RankDevice& rank)
    : config_(std::move(config)),
      rank_(rank),
      files_(open_model(config_.data.model)),
      tokenizer_(files_->tokenizer()),
      chat_(files_->tokenizer(), tokenizer_, config_.data.system) {
  find_dataset_again();
}

ChatTemplate Session::default_chat() const { return {files_->tokenizer(), tokenizer_}; }

void Session::find_dataset_again() {
  constexpr size_t most_kept = 16;
  const std::string name = config_.data.dataset + '\n' + print_target(config_.data.target);
  auto known = std::find_if(datasets_.begin(), datasets_.end(),
                            [&](const auto& entry) { return entry.first == name; });
  if (known == datasets_.end()) {
    datasets_.emplace_front(name, load_dataset(config_.data));
    if (datasets_.size() > most_kept) datasets_.pop_back();
  } else {
    datasets_.splice(datasets_.begin(), datasets_, known);
  }
  dataset_ = &datasets_.front().second;
}

bool Session::suits(const RunConfig& config) const {
  for (const char* key :
       {"model", "system", "base_type", "base_place", "shard_size", "node_sharing", "resident", "output"}) {
    if (config.value(key) != config_.value(key)) return false;
  }
  return true;
}

void Session::take_up(RunConfig config) {
  ensure(suits(config), "a session is for one model");
  config_ = std::move(config);
  find_dataset_again();
}

Session& SessionPool::session_for(const RunConfig& config) {
  const auto known =
      std::find_if(sessions_.begin(), sessions_.end(), [&](const Session& of) { return of.suits(config); });
  if (known != sessions_.end()) {
    sessions_.splice(sessions_.begin(), sessions_, known);
    sessions_.front().take_up(config);
    return sessions_.front();
  }
  if (config.ranks.shard_size > 1) sessions_.clear();
  Session& next = sessions_.emplace_front(config, rank_);
  const auto alone = make_local_collectives();
  while (sessions_.size() > 1 && !has_room_for_base(next.shape(), at::kFloat, config.base, rank_, *alone)) {
    sessions_.pop_back();
    release_device_memory(rank_.device);
  }
  return next;
}

std::unique_ptr<WeightSource> Session::weights(const std::string& trained_by) const {
  auto tensors = trained_by.empty()
                     ? files_->tensors()
                     : folder_tensors(weights_directory(config_.output.directory, trained_by), shape());
  // With a base that stays in its file, every gather would be reported.
  if (config_.base.place == BasePlace::memory)
    tensors = std::make_unique<ToldTensors>(std::move(tensors), shape(), told_);
  return std::make_unique<WeightSource>(std::move(tensors));
}

void Session::release_models() {
  models_.clear();
  release_device_memory(rank_.device);
}

const Llama& Session::model(at::ScalarType type, const std::vector<int>& shard_ranks,
                            const std::string& trained_by) {
  const bool sharded = shard_ranks.size() > 1;
  if (sharded || (!models_.contains(type) &&
                  !has_room_for_base(shape(), type, config_.base, rank_, *make_local_collectives()))) {
    std::erase_if(models_, [&](const auto& entry) {
      return entry.first != type || entry.second.shard_ranks != shard_ranks;
    });
    release_device_memory(rank_.device);
  }
  LoadedModel& loaded = models_[type];
  if (!loaded.model || loaded.trained_by != trained_by) {
    loaded.model.reset();  // two may not fit at once
    auto source = weights(trained_by);
    loaded = load_model(*source, shape(), type, rank_, shard_ranks, config_.ranks, config_.base);
    if (config_.base.place == BasePlace::file) loaded.weights = std::move(source);
    loaded.trained_by = trained_by;
  }
  return *loaded.model;
}

double Session::peak(at::ScalarType type) {
  auto [entry, added] = peaks_.try_emplace(type, 0.0);
  if (added) entry->second = measure_peak(type, device());
  return entry->second;
}

}  // namespace apportion
