// What a rank has loaded for its tasks: tokenizer, dataset, and the model once per compute type. Also how a
// model is spread over ranks.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "shared/tokens/tokenizer.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// The ranks of `group` that have the same part of each copy of the model as the rank at `group_rank`.
std::vector<int> replica_ranks_of(const std::vector<int>& group, int group_rank, int shard_size);

/// The `shard_size` neighbours in `group` (whose size is a multiple of it) that include the rank at
/// `group_rank`: each such run holds one replica of the model, in shards.
std::vector<int> shard_ranks_of(const std::vector<int>& group, int group_rank, int shard_size);

/// What a rank computes on, how many ranks share its machine, and on a GPU its idle NCCL communicators.
struct RankDevice {
  at::Device device;
  int local_ranks = 1;
  std::shared_ptr<NcclPool> communicators = nullptr;
};

/// A model whose base some ranks hold together.
struct LoadedModel {
  std::vector<int> shard_ranks;
  std::unique_ptr<Collectives> collectives;  // of the shard ranks; null if this rank has a base of its own
  std::unique_ptr<WeightSource> weights;     // source of a base that stays in its file, else null
  std::unique_ptr<Llama> model;
  std::string trained_by;  // the task whose weights these are; empty: the model's own
};

/// A group of these `ranks` alone; they all form their groups in the same order, with the same `tag`.
/// Collective.
std::unique_ptr<Collectives> make_group(const std::vector<int>& ranks, int tag, const RankDevice& rank,
                                        const RanksConfig& config);

/// `hosts`, or on a GPU a group over NCCL that uses `hosts` for control. Collective over `ranks`.
std::unique_ptr<Collectives> on_device(std::unique_ptr<Collectives> hosts, const std::vector<int>& ranks,
                                       const RankDevice& rank, const RanksConfig& config);

/// One line if ranks that hold a copy of the base together are spread over more machines than necessary, else
/// empty. `machines` has a number for each group rank's machine, any number; runs of `shard_size` ranks share
/// a copy.
std::string placement_warning(const std::vector<int>& machines, int shard_size);

/// For each rank, the first group rank on its machine, which stands for the machine. Collective.
std::vector<int> machines_of(Collectives& group);

/// The model in `type`, its base held by the `shard_ranks` (world ranks, including this one), which all make
/// this call in the same order. With BasePlace::file `weights` must outlive the model.
LoadedModel load_model(const WeightSource& weights, const ModelShape& shape, at::ScalarType type,
                       const RankDevice& rank, const std::vector<int>& shard_ranks, const RanksConfig& config,
                       const BaseConfig& base);

/// Whether every rank of `ranks` has memory for the whole base and as much again for the rest. The answer is
/// that of the rank with the least memory, the same on all. Collective.
bool has_room_for_base(const ModelShape& shape, at::ScalarType type, const BaseConfig& base,
                       const RankDevice& rank, Collectives& ranks);

class Session {
 public:
  /// Opens the model's file (for a shape without one, the file of its tokenizer) and parses the dataset;
  /// weights are unpacked or made on first use.
  Session(RunConfig config, const RankDevice& rank);
  Session(RunConfig config, at::Device device, int local_ranks)
      : Session(std::move(config), RankDevice{device, local_ranks}) {}

  /// Whether a task with `config` can use what is loaded here: the same model in the same layout.
  bool suits(const RunConfig& config) const;
  /// Switches to tasks with `config`, which it must suit; parses the dataset if it is another one.
  void take_up(RunConfig config);

  /// The model in `type`, its base held together by the `shard_ranks` (world ranks, including this one),
  /// which all make this call in the same order. With several shard ranks, or without room for one more
  /// model, models of other types and ranks are released first. `trained_by`: the task whose trained weights
  /// to use; empty: the model's own.
  const Llama& model(at::ScalarType type, const std::vector<int>& shard_ranks,
                     const std::string& trained_by = "");
  /// Called while weights are read, with how many of `all` tensors have been begun; null: not called.
  using LoadingTold = std::function<void(int64_t tensor, int64_t all)>;
  void tell_loading(LoadingTold told) { *told_ = std::move(told); }
  /// Releases all models.
  void release_models();
  /// The model's own weights, or those that the task `trained_by` has trained.
  std::unique_ptr<WeightSource> weights(const std::string& trained_by) const;
  /// Files of the model's folder that go along with trained weights (ModelFiles::companions).
  std::map<std::string, std::string> companions() const { return files_->companions(); }
  /// The model's name on the hub; empty if unknown.
  std::string hub_name() const { return files_->hub_name(); }
  /// Measured once per compute type, on first use.
  double peak(at::ScalarType type);

  const RunConfig& config() const { return config_; }
  const Dataset& dataset() const { return *dataset_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate& chat() const { return chat_; }
  /// The template without the job's own system text, which a judge is asked with.
  ChatTemplate default_chat() const;
  const ModelShape& shape() const { return files_->shape(); }
  const RankDevice& rank() const { return rank_; }
  at::Device device() const { return rank_.device; }
  int local_ranks() const { return rank_.local_ranks; }

 private:
  void find_dataset_again();

  RunConfig config_;
  RankDevice rank_;
  std::unique_ptr<ModelFiles> files_;
  Tokenizer tokenizer_;
  ChatTemplate chat_;
  std::list<std::pair<std::string, Dataset>> datasets_;  // recent ones, by name and target
  const Dataset* dataset_ = nullptr;
  std::map<at::ScalarType, LoadedModel> models_;
  std::map<at::ScalarType, double> peaks_;
  std::shared_ptr<LoadingTold> told_ = std::make_shared<LoadingTold>();  // shared with sources of weights
};

/// The sessions of a rank's tasks, one for each model. Where ranks hold a base together there is only one
/// session, so all ranks release the same; otherwise the least recently used are released when memory is
/// short.
class SessionPool {
 public:
  explicit SessionPool(const RankDevice& rank) : rank_(rank) {}

  /// A session for a task with `config`, valid until the next call.
  Session& session_for(const RunConfig& config);
  void clear() { sessions_.clear(); }

 private:
  RankDevice rank_;
  std::list<Session> sessions_;  // most recently used first
};

}  // namespace apportion
