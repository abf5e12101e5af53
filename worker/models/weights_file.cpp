#include "worker/models/weights_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "shared/architecture/block.h"
#include "shared/architecture/rope.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/safetensors.h"

namespace apportion {
namespace {

constexpr const char* file_name = "/model.safetensors";

uint64_t bytes_of(const std::vector<int64_t>& sizes) {
  uint64_t bytes = sizeof(float);
  for (int64_t size : sizes) bytes *= static_cast<uint64_t>(size);
  return bytes;
}

/// The scaling of rotations in the form that transformers 4 and 5 read; null if there is none. Throws
/// UserError for divisors of a GGUF file that fit no named scaling.
nlohmann::json scaling_of(const ModelShape& shape) {
  const std::vector<double>& divisors = shape.rope_divisors;
  if (divisors.empty()) return nullptr;
  if (is_linear(divisors)) return {{"rope_type", "linear"}, {"factor", divisors.front()}};
  constexpr double close = 1e-5;             // GGUF files store them in float32
  for (const double factor : {8.0, 32.0}) {  // Llama 3.1 and 3.3; 3.2
    Llama3Scaling llama3;
    llama3.factor = factor;
    const std::vector<double> known = llama3_divisors(shape.head_dim, shape.rope_theta, llama3);
    if (!std::equal(known.begin(), known.end(), divisors.begin(), divisors.end(),
                    [&](double a, double b) { return std::abs(a - b) <= close * a; }))
      continue;
    return {{"rope_type", "llama3"},
            {"factor", factor},
            {"low_freq_factor", llama3.low},
            {"high_freq_factor", llama3.high},
            {"original_max_position_embeddings", llama3.original_context}};
  }
  throw UserError("the model's rotations are scaled in a way that config.json has no name for");
}

nlohmann::json config_of(const ModelShape& shape) {
  static const std::map<std::string, const char*> classes = {{"llama", "LlamaForCausalLM"},
                                                             {"qwen2", "Qwen2ForCausalLM"},
                                                             {"qwen3", "Qwen3ForCausalLM"},
                                                             {"gemma2", "Gemma2ForCausalLM"},
                                                             {"phi3", "Phi3ForCausalLM"}};
  const bool gelu = shape.activation == Activation::gelu;
  nlohmann::json config = {{"architectures", {classes.at(shape.architecture)}},
                           {"model_type", shape.architecture},
                           {"hidden_size", shape.width},
                           {"intermediate_size", shape.ffn_width},
                           {"num_hidden_layers", shape.layers},
                           {"num_attention_heads", shape.heads},
                           {"num_key_value_heads", shape.kv_heads},
                           {"head_dim", shape.head_dim},
                           {"vocab_size", shape.vocabulary},
                           {"max_position_embeddings", shape.context_length},
                           {"rms_norm_eps", shape.norm_epsilon},
                           {"rope_theta", shape.rope_theta},
                           {"hidden_act", gelu ? "gelu_pytorch_tanh" : "silu"},
                           {"attention_bias", false},
                           {"mlp_bias", false},
                           {"tie_word_embeddings", shape.tied_embedding},
                           {"torch_dtype", "float32"}};
  if (shape.architecture == "gemma2") {
    const double head_dim = static_cast<double>(shape.head_dim);
    config["hidden_activation"] = config["hidden_act"];
    config["query_pre_attn_scalar"] = shape.attention_scale > 0
                                          ? std::round(1 / (shape.attention_scale * shape.attention_scale))
                                          : head_dim;
    for (const auto& [key, cap] : {std::pair("attn_logit_softcapping", shape.attention_cap),
                                   std::pair("final_logit_softcapping", shape.logits_cap)})
      config[key] = cap > 0 ? nlohmann::json(cap) : nlohmann::json();
    config["sliding_window"] = shape.window > 0 ? shape.window : shape.context_length;
  }
  // The class's default is a token of Phi-3-mini, and another vocabulary may be shorter.
  if (shape.architecture == "phi3") config["pad_token_id"] = nullptr;
  if (const nlohmann::json scaling = scaling_of(shape); !scaling.is_null()) config["rope_scaling"] = scaling;
  return config;
}

}  // namespace

struct WeightsWriter::File {
  std::string directory, config;
  FileWriter writer;
  uint64_t written = 0, all = 0;  // bytes of values
  Digest digest;

  File(const std::string& to, std::string config_text)
      : directory(to), config(std::move(config_text)), writer(to + file_name) {}

  void put(std::string_view bytes) {
    writer.write(bytes);
    digest.add(bytes);
  }
};

std::vector<std::string> WeightsWriter::order(const ModelShape& shape) {
  const BlockDescription block = describe_block(shape);
  std::vector<std::string> names;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const FusedLayers& product : block.products) {
      for (const LinearLayer& linear : product) names.push_back(weight_name(layer, linear.name));
    }
  }
  names.emplace_back(embedding_name);
  if (!shape.tied_embedding) names.emplace_back(head_name);
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const VectorWeights& vector : block.vectors)
      names.push_back(block_prefix(layer).append(vector.name));
  }
  names.emplace_back(output_norm_name);
  return names;
}

WeightsWriter::WeightsWriter(const std::string& directory, const ModelShape& shape,
                             const std::string& config) {
  make_directories(directory);
  file_ = std::make_unique<File>(directory, config.empty() ? config_of(shape).dump(2) + "\n" : config);
  const auto tensors = tensors_of(shape);
  std::map<std::string, TensorPlace> places;
  for (const std::string& name : order(shape)) {
    const auto& sizes = tensors.at(name);
    TensorPlace& place = places[name];
    place.shape = sizes;
    place.begin = file_->all;
    place.end = file_->all += bytes_of(place.shape);
  }
  file_->put(encode_safetensors_header(places, {{"format", "pt"}}));
}

WeightsWriter::~WeightsWriter() = default;

void WeightsWriter::add(const at::Tensor& values) {
  const at::Tensor host = values.detach().to(at::kFloat).cpu().contiguous();
  file_->put({static_cast<const char*>(host.const_data_ptr()), host.nbytes()});
  file_->written += host.nbytes();
}

std::string WeightsWriter::finish() {
  ensure(file_->written == file_->all, "all values of a file are written, each once");
  file_->writer.finish();
  write_file(file_->directory + "/config.json", file_->config);
  return file_->digest.hex();
}

}  // namespace apportion
