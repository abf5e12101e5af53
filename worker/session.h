// What a rank has loaded for its tasks: tokenizer, dataset, and the model once per compute type; and how a
// model is laid over ranks.
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

/// The run of `shard_size` neighbours in `group` (a multiple of it) that the rank at `group_rank` is in:
/// replicas of the model lie across a group, shards within.
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
  std::unique_ptr<Collectives> collectives;  // of the shard ranks; null where the base is this rank's alone
  std::unique_ptr<WeightSource> weights;     // where a base that is left in its file is read from, else null
  std::unique_ptr<Llama> model;
  std::string trained_by;  // the task whose weights these are; empty: the model's own
};

/// A group of the ranks' own, formed one after another by the same ranks in the same order (`tag`).
/// Collective.
std::unique_ptr<Collectives> make_group(const std::vector<int>& ranks, int tag, const RankDevice& rank,
                                        const RanksConfig& config);

/// `hosts`, or on a GPU a group over NCCL that has it as control. Collective over `ranks`.
std::unique_ptr<Collectives> on_device(std::unique_ptr<Collectives> hosts, const std::vector<int>& ranks,
                                       const RankDevice& rank, const RanksConfig& config);

/// One line where ranks that hold a copy of the base together are on more machines than they need be, else
/// empty. `machines` has each group rank's machine, by any number; runs of `shard_size` share a copy.
std::string placement_warning(const std::vector<int>& machines, int shard_size);

/// The group rank that stands for each rank's machine: the first there. Collective.
std::vector<int> machines_of(Collectives& group);

/// The model in `type`, its base held by the `shard_ranks` (world ranks, this one among them), who all make
/// this call in the same order. With BasePlace::file `weights` must outlive the model.
LoadedModel load_model(const WeightSource& weights, const ModelShape& shape, at::ScalarType type,
                       const RankDevice& rank, const std::vector<int>& shard_ranks, const RanksConfig& config,
                       const BaseConfig& base);

/// Whether every rank of `ranks` has memory for all of the base, and as much again for the rest; the same
/// answer on all of them, that of the rank with the least. Collective.
bool has_room_for_base(const ModelShape& shape, at::ScalarType type, const BaseConfig& base,
                       const RankDevice& rank, Collectives& ranks);

class Session {
 public:
  /// Opens the model's file (for a shape without one, the file that its tokenizer comes from) and parses the
  /// dataset; weights are unpacked or made on first use.
  Session(RunConfig config, const RankDevice& rank);
  Session(RunConfig config, at::Device device, int local_ranks)
      : Session(std::move(config), RankDevice{device, local_ranks}) {}

  /// Whether a task of that configuration can use what is loaded here: the same model, laid out in the same
  /// way.
  bool suits(const RunConfig& config) const;
  /// From now on it is for tasks of this configuration, which it suits; another dataset is parsed.
  void take_up(RunConfig config);

  /// The model in `type`, its base held together by the `shard_ranks` (world ranks, this one among them), who
  /// all make this call in the same order. With several, or without room for one more, the models of
  /// other types and ranks are let go first.
  /// `trained_by`: the task whose trained weights it has; empty: the model's own.
  const Llama& model(at::ScalarType type, const std::vector<int>& shard_ranks,
                     const std::string& trained_by = "");
  /// Called while weights are read, with how many of the tensors there are have been begun; null: nobody is.
  using LoadingTold = std::function<void(int64_t tensor, int64_t all)>;
  void tell_loading(LoadingTold told) { *told_ = std::move(told); }
  /// Lets go of all models.
  void release_models();
  /// The model's own weights, or those that a task has trained.
  std::unique_ptr<WeightSource> weights(const std::string& trained_by) const;
  /// Of the model's folder what goes with weights that were trained (ModelFiles::companions).
  std::map<std::string, std::string> companions() const { return files_->companions(); }
  /// The model's name on the hub; empty where nothing tells it.
  std::string hub_name() const { return files_->hub_name(); }
  /// Measured once per compute type, on first use.
  double peak(at::ScalarType type);

  const RunConfig& config() const { return config_; }
  const Dataset& dataset() const { return *dataset_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate& chat() const { return chat_; }
  /// Without the job's own system text, as a judge is asked.
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
  std::list<std::pair<std::string, Dataset>> datasets_;  // the last ones, by name and target
  const Dataset* dataset_ = nullptr;
  std::map<at::ScalarType, LoadedModel> models_;
  std::map<at::ScalarType, double> peaks_;
  std::shared_ptr<LoadingTold> told_ = std::make_shared<LoadingTold>();  // sources of weights have it, too
};

/// The sessions of a rank's tasks, one a model. Where ranks hold a base together there is one session, so
/// that all let go of the same; else those not used for longest are let go of when memory is short.
class SessionPool {
 public:
  explicit SessionPool(const RankDevice& rank) : rank_(rank) {}

  /// For a task of that configuration, until the next call.
  Session& session_for(const RunConfig& config);
  void clear() { sessions_.clear(); }

 private:
  RankDevice rank_;
  std::list<Session> sessions_;  // the last used first
};

}  // namespace apportion
