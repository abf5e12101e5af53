// The embedding and the head: [V, C] matrices that are larger than any block, so they are cut by rows into
// chunks no larger than a block, each a shard group, and used chunk by chunk in one order. The cuts depend on
// the model's shape alone, and so do all products. losses/log_probs.h and sample/ read the logits.
//
// Legend: V vocabulary, C width, T rows of a tree, R rows whose logits are taken.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "shared/architecture/shape.h"
#include "worker/models/weight_source.h"
#include "worker/parallel/shard_group.h"

namespace apportion {

class Vocabulary {
 public:
  /// Parts::head serves only logits() and its gradient, and loads no separate embedding.
  enum class Parts { all, head };
  /// `shared`: as for ShardGroup, for all chunks; undefined if the layout shares no memory.
  Vocabulary(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type,
             at::Device device, const BaseLayout& layout, const at::Tensor& shared, Parts parts = Parts::all);
  /// Length of `shared` in bytes.
  static int64_t shared_bytes(const ModelShape& shape);

  /// Embeddings of ids_T (int64), float32 [T, C], for each of the items. Collective over the layout's ranks,
  /// as is everything that follows.
  std::vector<at::Tensor> embed(const std::vector<at::Tensor>& ids_T) const;
  /// The logits of hidden_RC (float32), float32 [R, V], for each of the items: s = h W^T, or cap tanh(s /
  /// cap) if the shape has a logits_cap.
  std::vector<at::Tensor> logits(const std::vector<at::Tensor>& hidden_RC) const;
  bool caps_logits() const { return logits_cap_ > 0; }
  /// Turns the gradient of capped logits into that of s, float32 [R, V], in place; also overwrites the
  /// logits.
  void uncap(at::Tensor& d_logits_RV, at::Tensor& logits_RV) const;
  /// The gradient of hidden_RC, float32 [R, C], from that of s (in the compute type).
  std::vector<at::Tensor> logits_backward(const std::vector<at::Tensor>& d_logits_RV) const;

  /// Adds the groups of the chunks for training all weights, in the order of TrainedWeights::groups: the
  /// embedding's, then those of a separate head.
  void train(const WeightSource& weights, std::vector<TrainedGroup>& groups);
  void weights_changed();
  size_t chunks() const { return embedding_.size(); }
  bool is_tied() const { return tied_; }
  /// Calls add(chunk, its gradient) for every chunk of a matrix in order: float32 [rows, C], the sum over the
  /// items along the tree of gradients.h, undefined if there are none. The head's gradient is d_logits^T h, a
  /// product in the compute type; `d_logits_RV` as in logits_backward. An undefined item is empty. Not
  /// collective.
  using AddGradient = std::function<void(size_t chunk, const at::Tensor& d_VC)>;
  void head_gradient(const std::vector<at::Tensor>& hidden_RC, const std::vector<at::Tensor>& d_logits_RV,
                     const AddGradient& add) const;
  void embedding_gradient(const std::vector<at::Tensor>& ids_T, const std::vector<at::Tensor>& d_x_TC,
                          const AddGradient& add) const;

  /// Whether every chunk is here, so that no function above moves data between ranks.
  bool is_whole() const;
  void gather_all();

 private:
  struct Chunk {
    int64_t first, rows;
    std::unique_ptr<ShardGroup> group;
    at::Tensor compute_VC;  // in the compute type, once requested and while the chunk is here
  };
  /// Which of the ids, counted from the chunk's first, belong to the chunk.
  static at::Tensor is_in(const Chunk& chunk, const at::Tensor& local_T);
  using Chunks = std::vector<Chunk>;
  Chunks load(const WeightSource& weights, const char* name, const ModelShape& shape,
              const BaseLayout& layout, const at::Tensor& shared, at::Device device) const;
  /// Calls work(chunk, its matrix [rows, C] in float32, item) for all chunks in order, for each item.
  using Work = std::function<void(Chunk&, const at::Tensor&, size_t)>;
  void walk(Chunks& chunks, size_t items, const Work& work) const;
  Chunks& head() const { return tied_ ? embedding_ : head_; }
  at::Tensor computed(Chunk& chunk, const at::Tensor& matrix_VC) const;

  int64_t width_, vocabulary_;
  at::ScalarType compute_type_;
  at::Device device_;
  bool tied_;
  double embedding_scale_, logits_cap_;
  // Mutable, as gathering does not change the model. head_ is empty if the embedding is also the head.
  mutable Chunks embedding_, head_;
};

}  // namespace apportion
