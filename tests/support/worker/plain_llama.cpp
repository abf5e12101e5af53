#include "tests/support/worker/plain_llama.h"

#include <ATen/ATen.h>

#include <cmath>

namespace apportion::testing {
namespace {

class PlainLlama {
 public:
  PlainLlama(const PlainWeights& weights, const ModelShape& shape, int64_t tokens)
      : weights_(weights), shape_(shape) {
    const at::Tensor index =
        at::arange(0, shape.head_dim, 2, at::kDouble) / static_cast<double>(shape.head_dim);
    const at::Tensor angle_TD = at::outer(at::arange(tokens, at::kDouble), at::pow(shape.rope_theta, -index));
    cos_ = at::cat({angle_TD, angle_TD}, 1).cos().to(at::kFloat).unsqueeze(1);
    sin_ = at::cat({angle_TD, angle_TD}, 1).sin().to(at::kFloat).unsqueeze(1);
    future_ = at::ones({tokens, tokens}, at::kBool).triu(1);
  }

  at::Tensor log_probs(const at::Tensor& ids_T) const {
    const at::Tensor& embedding_VC = weights_.at("model.embed_tokens.weight");
    at::Tensor x_TC = embedding_VC.index_select(0, ids_T);
    for (int64_t layer = 0; layer < shape_.layers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      x_TC = x_TC + attention(norm(x_TC, prefix + "input_layernorm.weight"), prefix);
      const at::Tensor n_TC = norm(x_TC, prefix + "post_attention_layernorm.weight");
      const at::Tensor gate_TF = at::silu(linear(n_TC, prefix + "mlp.gate_proj.weight"));
      x_TC = x_TC +
             linear(gate_TF * linear(n_TC, prefix + "mlp.up_proj.weight"), prefix + "mlp.down_proj.weight");
    }
    const at::Tensor h_TC = norm(x_TC, "model.norm.weight");
    const at::Tensor& head_VC = shape_.tied_embedding ? embedding_VC : weights_.at("lm_head.weight");
    return at::log_softmax(h_TC.matmul(head_VC.t()), -1);
  }

 private:
  at::Tensor linear(const at::Tensor& x_TI, const std::string& name) const {
    return x_TI.matmul(weights_.at(name).t());
  }
  at::Tensor norm(const at::Tensor& x_TC, const std::string& name) const {
    return x_TC * at::rsqrt(x_TC.pow(2).mean(-1, true) + shape_.norm_epsilon) * weights_.at(name);
  }
  at::Tensor rotated(const at::Tensor& x_THD) const {
    auto halves = x_THD.chunk(2, -1);
    return x_THD * cos_ + at::cat({-halves[1], halves[0]}, -1) * sin_;
  }
  at::Tensor attention(const at::Tensor& n_TC, const std::string& prefix) const {
    const int64_t tokens = n_TC.size(0), users = shape_.heads / shape_.kv_heads;
    auto heads = [&](const char* name, int64_t count) {
      return linear(n_TC, prefix + name).view({tokens, count, shape_.head_dim});
    };
    const at::Tensor q_HTD = rotated(heads("self_attn.q_proj.weight", shape_.heads)).transpose(0, 1);
    const at::Tensor k_HTD = rotated(heads("self_attn.k_proj.weight", shape_.kv_heads))
                                 .repeat_interleave(users, 1)
                                 .transpose(0, 1);
    const at::Tensor v_HTD =
        heads("self_attn.v_proj.weight", shape_.kv_heads).repeat_interleave(users, 1).transpose(0, 1);
    at::Tensor scores_HTT =
        q_HTD.matmul(k_HTD.transpose(1, 2)) / std::sqrt(static_cast<double>(shape_.head_dim));
    scores_HTT = scores_HTT.masked_fill(future_, -INFINITY);
    const at::Tensor out_HTD = scores_HTT.softmax(-1).matmul(v_HTD);
    return linear(out_HTD.transpose(0, 1).reshape({tokens, -1}), prefix + "self_attn.o_proj.weight");
  }

  const PlainWeights& weights_;
  const ModelShape& shape_;
  at::Tensor cos_, sin_, future_;
};

}  // namespace

at::Tensor plain_log_probs(const PlainWeights& weights, const ModelShape& shape, const at::Tensor& ids_T) {
  return PlainLlama(weights, shape, ids_T.size(0)).log_probs(ids_T);
}

}  // namespace apportion::testing
