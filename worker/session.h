// What a rank has loaded for its tasks: tokenizer, dataset, and the model once per compute type.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/chat_template.h"
#include "shared/data/dataset.h"
#include "shared/data/gguf.h"
#include "shared/data/tokenizer.h"
#include "worker/models/llama.h"
#include "worker/parallel/collectives.h"

namespace apportion {

class Session {
 public:
  /// Opens the model's file (for a shape without one, the file that its tokenizer comes from) and parses the
  /// dataset; weights are unpacked or made on first use. `local_ranks` share this machine.
  Session(const RunConfig& config, at::Device device, int local_ranks);

  /// The model in `type`, its base held together by the `shard_ranks` (world ranks, this one among them), who
  /// all make this call in the same order. With several, the models of other types and ranks are let go
  /// first.
  const Llama& model(at::ScalarType type, const std::vector<int>& shard_ranks);
  /// Measured once per compute type, on first use.
  double peak(at::ScalarType type);

  const RunConfig& config() const { return config_; }
  const Dataset& dataset() const { return dataset_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const ChatTemplate& chat() const { return *chat_; }
  const ModelShape& shape() const { return shape_; }
  at::Device device() const { return device_; }

 private:
  const RunConfig& config_;
  at::Device device_;
  int local_ranks_;
  Gguf gguf_;
  Tokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> chat_;  // made after the tokenizer was folded
  ModelShape shape_;
  Dataset dataset_;
  std::unique_ptr<WeightSource> weights_;
  struct Loaded {
    std::vector<int> shard_ranks;
    std::unique_ptr<Collectives> collectives;  // of the shard ranks; null where the base is this rank's alone
    std::unique_ptr<Llama> model;
  };
  bool keeps_gathered(at::ScalarType type, Collectives& ranks) const;
  std::map<at::ScalarType, Loaded> models_;
  std::map<at::ScalarType, double> peaks_;
};

}  // namespace apportion
