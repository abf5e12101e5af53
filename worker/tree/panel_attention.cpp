#include "worker/tree/panel_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>

#include "worker/kernels/micro_kernel.h"
#include "worker/kernels/panel_kernels.h"
#include "worker/kernels/row_kernels.h"

namespace apportion {
namespace {

Bfloat* bits(const at::Tensor& tensor) { return static_cast<Bfloat*>(tensor.data_ptr()); }

/// Keys of a block are padded with zeros to a multiple of this. It is the inner dimension that matrix
/// instructions take at once, and it keeps the sizes of products few, as each size needs its own kernel.
constexpr int64_t key_multiple = 32;

int64_t padded_keys(int64_t keys) { return (keys + key_multiple - 1) / key_multiple * key_multiple; }

/// Sizes of an attention, as in the legend. `padded` is the width of the widest block's weights; each block's
/// weights lie at the start of its place, as wide as its own padded keys.
struct Sizes {
  int64_t heads, kv_heads, head_dim, share, blocks, block_rows, width, padded;
  ScoreRule rule;

  int64_t stacked_rows() const { return share * block_rows; }
  int64_t row_stride() const { return heads * head_dim; }
  /// Offset in [T, H, D] of the rows of block `block` for query head `head` of key/value head `kv_head`.
  int64_t place(int64_t block, int64_t kv_head, int64_t head) const {
    return (block * block_rows * heads + kv_head * share + head) * head_dim;
  }
};

Sizes sizes_of(const at::Tensor& q_THD, const at::Tensor& k_SGD, const AttentionPlan& plan,
               const ScoreRule& rule) {
  Sizes s{};
  s.heads = q_THD.size(1), s.head_dim = q_THD.size(2), s.kv_heads = k_SGD.size(1);
  s.share = s.heads / s.kv_heads;
  s.blocks = plan.keys_BU.size(0), s.width = plan.keys_BU.size(1), s.block_rows = plan.block_rows;
  s.padded = padded_keys(s.width);
  s.rule = rule;
  return s;
}

/// Computes one block and key/value head at a time. Pointers lead to the thread's scratch memory or to whole
/// tensors.
class HeadBlock {
 public:
  HeadBlock(const Sizes& sizes, const AttentionPlan& plan)
      : s_(sizes),
        plan_(plan),
        rows_(rows_memory_.get(s_.padded * s_.head_dim)),
        panel_(panel_memory_.get(std::max(s_.padded, s_.stacked_rows()) * s_.head_dim)),
        sums_(sums_memory_.get(
            std::max(s_.stacked_rows() * s_.padded, std::max(s_.padded, s_.stacked_rows()) * s_.head_dim))) {}

  void at(int64_t block, int64_t kv_head) {
    block_ = block;
    kv_head_ = kv_head;
    keys_ = plan_.key_counts[static_cast<size_t>(block)];
    padded_ = padded_keys(keys_);
  }

  void forward(const Bfloat* q, const Bfloat* k, const Bfloat* v, Bfloat* weights, Bfloat* out) {
    weights += stored();
    gather(k);
    pack_transposed_panel(rows_, s_.head_dim, s_.head_dim, padded_, panel_);
    by_query_head(q);
    for (int64_t head = 0; head < s_.share; ++head) {
      const int64_t row = head * s_.block_rows;
      softmax_rows(sums_ + row * padded_, mask(), s_.width, s_.rule, softmax_size(s_.block_rows),
                   weights + row * padded_);
    }
    gather(v);
    pack_panel(rows_, s_.head_dim, padded_, s_.head_dim, panel_);
    multiply_panel({s_.stacked_rows(), padded_, s_.head_dim}, weights, padded_, panel_, false, sums_);
    store_queries(out);
  }

  struct Inputs {
    const Bfloat *d_out, *q, *k, *v, *weights;
  };
  /// dk and dv [S, G, D] are float32 sums over blocks.
  void backward(const Inputs& in, Bfloat* dq, float* dk, float* dv) {
    const Bfloat* weights = in.weights + stored();
    Bfloat* turned = turned_memory_.get(s_.padded * s_.stacked_rows());
    Bfloat* d_scores = scores_memory_.get(s_.stacked_rows() * s_.padded);
    const float* slopes = s_.rule.cap > 0 ? slopes_of(in.q, in.k) : nullptr;
    pack_queries(in.d_out);
    add_to_keys(weights, turned, dv);
    gather(in.v);
    pack_transposed_panel(rows_, s_.head_dim, s_.head_dim, padded_, panel_);
    by_query_head(in.d_out);
    softmax_backward_rows(sums_, weights, s_.rule, slopes, softmax_size(s_.stacked_rows()), d_scores);
    gather(in.k);
    pack_panel(rows_, s_.head_dim, padded_, s_.head_dim, panel_);
    multiply_panel({s_.stacked_rows(), padded_, s_.head_dim}, d_scores, padded_, panel_, false, sums_);
    store_queries(dq);
    pack_queries(in.q);
    add_to_keys(d_scores, turned, dk);
  }

 private:
  int64_t stored() const { return (block_ * s_.kv_heads + kv_head_) * s_.stacked_rows() * s_.padded; }
  const float* mask() const { return plan_.mask_BQU.data_ptr<float>() + block_ * s_.block_rows * s_.width; }
  int64_t key_place(int64_t key) const {
    const int64_t slot = plan_.keys_BU.data_ptr<int64_t>()[block_ * s_.width + key];
    return (slot * s_.kv_heads + kv_head_) * s_.head_dim;
  }

  SoftmaxSize softmax_size(int64_t rows) const { return {rows, keys_, padded_}; }

  /// Fills rows_ with the block's keys (or values), and zeros up to padded_.
  void gather(const Bfloat* from_SGD) {
    const auto bytes = static_cast<size_t>(s_.head_dim) * sizeof(Bfloat);
    for (int64_t key = 0; key < keys_; ++key)
      std::memcpy(rows_ + key * s_.head_dim, from_SGD + key_place(key), bytes);
    std::memset(rows_ + keys_ * s_.head_dim, 0, static_cast<size_t>(padded_ - keys_) * bytes);
  }

  /// sums_ [R, padded_] = rows of x_THD times the panel.
  void by_query_head(const Bfloat* x_THD) {
    for (int64_t head = 0; head < s_.share; ++head) {
      multiply_panel({s_.block_rows, s_.head_dim, padded_}, x_THD + s_.place(block_, kv_head_, head),
                     s_.row_stride(), panel_, false, sums_ + head * s_.block_rows * padded_);
    }
  }

  /// The slopes of capped scores, which are computed again since nobody kept them.
  const float* slopes_of(const Bfloat* q, const Bfloat* k) {
    float* slopes = slopes_memory_.get(s_.stacked_rows() * s_.padded);
    gather(k);
    pack_transposed_panel(rows_, s_.head_dim, s_.head_dim, padded_, panel_);
    by_query_head(q);
    capped_slopes(sums_, s_.rule, softmax_size(s_.stacked_rows()), slopes);
    return slopes;
  }

  void store_queries(Bfloat* out_THD) {
    for (int64_t head = 0; head < s_.share; ++head) {
      round_rows(sums_ + head * s_.block_rows * s_.head_dim, s_.block_rows, s_.head_dim,
                 out_THD + s_.place(block_, kv_head_, head), s_.row_stride());
    }
  }

  void pack_queries(const Bfloat* x_THD) {
    for (int64_t head = 0; head < s_.share; ++head) {
      pack_panel(x_THD + s_.place(block_, kv_head_, head), s_.row_stride(), s_.block_rows, s_.head_dim,
                 panel_ + head * s_.block_rows * s_.head_dim);
    }
  }

  /// out_SGD += left_RU^T times the panel of queries, key by key.
  void add_to_keys(const Bfloat* left_RU, Bfloat* turned_UR, float* out_SGD) {
    transpose_rows(left_RU, padded_, s_.stacked_rows(), padded_, turned_UR);
    multiply_panel({padded_, s_.stacked_rows(), s_.head_dim}, turned_UR, s_.stacked_rows(), panel_, false,
                   sums_);
    for (int64_t key = 0; key < keys_; ++key)
      kernel_set().accumulate(sums_ + key * s_.head_dim, s_.head_dim, out_SGD + key_place(key));
  }

  static thread_local Scratch<Bfloat> rows_memory_, panel_memory_, turned_memory_, scores_memory_;
  static thread_local Scratch<float> sums_memory_, slopes_memory_;
  const Sizes& s_;
  const AttentionPlan& plan_;
  Bfloat *rows_, *panel_;
  float* sums_;
  int64_t block_ = 0, kv_head_ = 0, keys_ = 0, padded_ = 0;  // of the current block
};

thread_local Scratch<Bfloat> HeadBlock::rows_memory_, HeadBlock::panel_memory_, HeadBlock::turned_memory_,
    HeadBlock::scores_memory_;
thread_local Scratch<float> HeadBlock::sums_memory_, HeadBlock::slopes_memory_;

}  // namespace

AttentionForward panel_attention(const at::Tensor& q_THD, const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                                 const AttentionPlan& plan, const ScoreRule& rule) {
  const Sizes s = sizes_of(q_THD, k_SGD, plan, rule);
  AttentionForward result{at::empty_like(q_THD),
                          at::empty({s.blocks * s.kv_heads, s.stacked_rows(), s.padded}, q_THD.options())};
  at::parallel_for(0, s.blocks * s.kv_heads, 4, [&](int64_t first, int64_t last) {
    const MatrixState state;
    HeadBlock head_block(s, plan);
    for (int64_t n = first; n < last; ++n) {
      head_block.at(n / s.kv_heads, n % s.kv_heads);
      head_block.forward(bits(q_THD), bits(k_SGD), bits(v_SGD), bits(result.weights_NRU),
                         bits(result.out_THD));
    }
  });
  return result;
}

AttentionGradients panel_attention_backward(const at::Tensor& d_out_THD, const at::Tensor& q_THD,
                                            const at::Tensor& k_SGD, const at::Tensor& v_SGD,
                                            const at::Tensor& weights_NRU, const AttentionPlan& plan,
                                            const ScoreRule& rule) {
  const Sizes s = sizes_of(q_THD, k_SGD, plan, rule);
  at::Tensor dq_THD = at::empty_like(q_THD), dk_SGD = at::zeros(k_SGD.sizes(), at::kFloat),
             dv_SGD = at::zeros(k_SGD.sizes(), at::kFloat);
  const HeadBlock::Inputs inputs{bits(d_out_THD), bits(q_THD), bits(k_SGD), bits(v_SGD), bits(weights_NRU)};
  // One thread adds up a key's sum over blocks, in their order.
  at::parallel_for(0, s.kv_heads, 1, [&](int64_t first, int64_t last) {
    const MatrixState state;
    HeadBlock head_block(s, plan);
    for (int64_t kv_head = first; kv_head < last; ++kv_head) {
      for (int64_t block = 0; block < s.blocks; ++block) {
        head_block.at(block, kv_head);
        head_block.backward(inputs, bits(dq_THD), dk_SGD.data_ptr<float>(), dv_SGD.data_ptr<float>());
      }
    }
  });
  return {dq_THD, dk_SGD.to(k_SGD.scalar_type()), dv_SGD.to(v_SGD.scalar_type())};
}

}  // namespace apportion
