// A tiny model with its tokenizer and a small dataset, for tests of the worker: real in everything except
// size.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/data/dataset.h"
#include "shared/data/example.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"
#include "shared/tokens/tokenizer.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"
#include "tests/support/worker/test_device.h"
#include "worker/models/llama.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/collectives.h"
#include "worker/train/batch.h"

namespace apportion::testing {

/// Whether the head is the embedding or has its own weights.
enum class Head { tied, own };

class TinyWorld {
 public:
  /// A `cap` other than 0 caps scores and logits, as in Gemma 2.
  explicit TinyWorld(at::ScalarType compute_type = at::kFloat, Head head = Head::tied, uint32_t layers = 2,
                     at::Device device = test_device(), double cap = 0);

  const Llama& model() const { return *model_; }
  const WeightSource& weights() const { return *weights_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ChatTemplate& chat() const { return *chat_; }
  const Dataset& dataset() const { return dataset_; }
  const std::vector<TrainPrompt>& prompts() const { return prompts_; }

  /// A LoRA adapter of rank 4 on all linear layers of the uppermost share `layers` of the blocks, with random
  /// nonzero A and B.
  Adapter random_adapter(uint64_t seed, double layers = 1) const;
  static LoraConfig lora();

 private:
  DatasetFolder folder_;
  std::unique_ptr<ModelFiles> files_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> chat_;
  std::unique_ptr<WeightSource> weights_;
  std::unique_ptr<Llama> model_;
  Dataset dataset_;
  std::vector<TrainPrompt> prompts_;
};

/// Calls run(collectives) on `ranks` threads, which act as ranks of one machine.
void on_thread_ranks(int ranks, const std::function<void(Collectives& group)>& run);

/// Settings tuned to a few training steps of so small a model: Muon, and texts that weigh a quarter.
SftConfig muon_sft();
OptimizerConfig short_warmup();

/// ||a - b|| / ||b||.
double relative_difference(const at::Tensor& a, const at::Tensor& b);

}  // namespace apportion::testing
