#include "worker/models/weights_file.h"

#include <ATen/ATen.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/safetensors.h"

namespace apportion {
namespace {

constexpr const char* file_name = "/model.safetensors";

uint64_t bytes_of(const std::vector<int64_t>& sizes) {
  uint64_t bytes = sizeof(float);
  for (int64_t size : sizes) bytes *= static_cast<uint64_t>(size);
  return bytes;
}

nlohmann::json config_of(const ModelShape& shape) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
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
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"tie_word_embeddings", shape.tied_embedding},
          {"torch_dtype", "float32"}};
}

class SavedWeights : public WeightSource {
 public:
  SavedWeights(const std::string& directory, const ModelShape& shape)
      : WeightSource(shape), file_(directory + file_name) {
    for (const auto& [name, sizes] : tensors_of(shape)) {
      const std::string there = hugging_face_name(name);
      const auto found = file_.tensors().find(there);
      if (found == file_.tensors().end())
        throw DataError(file_.path(), 0, "tensor '" + there + "' is missing");
      if (!std::equal(sizes.begin(), sizes.end(), found->second.shape.begin(), found->second.shape.end(),
                      [](uint64_t a, int64_t b) { return a == static_cast<uint64_t>(b); })) {
        throw DataError(file_.path(), 0, "tensor '" + there + "' has another shape than the model");
      }
      places_[name] = found->second;
    }
    if (places_.size() != file_.tensors().size()) {
      throw DataError(file_.path(), 0,
                      "the file has " + std::to_string(file_.tensors().size()) + " tensors; " +
                          std::to_string(places_.size()) + " belong to the model");
    }
  }

  at::Tensor rows(const std::string& name, int64_t first, int64_t last) const override {
    std::vector<int64_t> wanted = sizes(name);
    ensure(0 <= first && first <= last && last <= wanted.front(), "a tensor has the rows asked for");
    wanted.front() = 1;
    const uint64_t row_bytes = bytes_of(wanted);
    wanted.front() = last - first;
    at::Tensor values = at::empty(wanted, at::kFloat);
    const std::string_view bytes = file_.bytes(places_.at(name));
    if (last > first) {
      std::memcpy(values.mutable_data_ptr(), bytes.data() + static_cast<uint64_t>(first) * row_bytes,
                  values.nbytes());
    }
    check_finite(file_.path(), hugging_face_name(name),
                 {values.const_data_ptr<float>(), static_cast<size_t>(values.numel())});
    return values;
  }

 private:
  SafetensorsFile file_;
  std::map<std::string, FloatPlace> places_;  // by GGUF's name
};

}  // namespace

std::string hugging_face_name(const std::string& name) {
  static const std::map<std::string, std::string> whole = {{"token_embd.weight", "model.embed_tokens.weight"},
                                                           {"output_norm.weight", "model.norm.weight"},
                                                           {"output.weight", "lm_head.weight"}};
  static const std::map<std::string, std::string> in_block = {
      {"attn_norm.weight", "input_layernorm.weight"},
      {"attn_q.weight", "self_attn.q_proj.weight"},
      {"attn_k.weight", "self_attn.k_proj.weight"},
      {"attn_v.weight", "self_attn.v_proj.weight"},
      {"attn_output.weight", "self_attn.o_proj.weight"},
      {"ffn_norm.weight", "post_attention_layernorm.weight"},
      {"ffn_gate.weight", "mlp.gate_proj.weight"},
      {"ffn_up.weight", "mlp.up_proj.weight"},
      {"ffn_down.weight", "mlp.down_proj.weight"}};
  if (const auto found = whole.find(name); found != whole.end()) return found->second;
  constexpr size_t prefix = 4;  // "blk."
  const size_t dot = name.find('.', prefix);
  return "model.layers." + name.substr(prefix, dot - prefix) + "." + in_block.at(name.substr(dot + 1));
}

struct WeightsWriter::File {
  std::string directory, path, temporary;
  ModelShape shape;
  uint64_t written = 0, all = 0;  // bytes of values
  std::ofstream stream;
  Digest digest;

  void put(std::string_view bytes) {
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!stream) throw UserError("cannot write " + temporary + ": " + std::strerror(errno));
    digest.add(bytes);
  }
};

std::vector<std::string> WeightsWriter::order(const ModelShape& shape) {
  std::vector<std::string> names;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      names.push_back("blk." + std::to_string(layer) + "." + part + ".weight");
  }
  names.emplace_back("token_embd.weight");
  if (!shape.tied_embedding) names.emplace_back("output.weight");
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const char* part : {"attn_norm", "ffn_norm"})
      names.push_back("blk." + std::to_string(layer) + "." + part + ".weight");
  }
  names.emplace_back("output_norm.weight");
  return names;
}

WeightsWriter::WeightsWriter(const std::string& directory, const ModelShape& shape)
    : file_(std::make_unique<File>()) {
  make_directories(directory);
  file_->directory = directory;
  file_->path = directory + file_name;
  file_->temporary = temporary_name(file_->path);
  file_->shape = shape;
  const auto tensors = tensors_of(shape);
  std::map<std::string, FloatPlace> places;
  for (const std::string& name : order(shape)) {
    const auto& sizes = tensors.at(name);
    FloatPlace& place = places[hugging_face_name(name)];
    place.shape = {sizes.begin(), sizes.end()};
    place.begin = file_->all;
    place.end = file_->all += bytes_of(place.shape);
  }
  file_->stream.open(file_->temporary, std::ios::binary | std::ios::trunc);
  file_->put(encode_safetensors_header(places, {{"format", "pt"}}));
}

WeightsWriter::~WeightsWriter() {
  if (file_->stream.is_open()) std::remove(file_->temporary.c_str());  // it was not finished
}

void WeightsWriter::add(const at::Tensor& values) {
  const at::Tensor host = values.detach().to(at::kFloat).cpu().contiguous();
  file_->put({static_cast<const char*>(host.const_data_ptr()), host.nbytes()});
  file_->written += host.nbytes();
}

std::string WeightsWriter::finish() {
  ensure(file_->written == file_->all, "all values of a file are written, each once");
  file_->stream.flush();
  if (!file_->stream) throw UserError("cannot write " + file_->temporary + ": " + std::strerror(errno));
  file_->stream.close();
  commit_file(file_->temporary, file_->path);
  write_file(file_->directory + "/config.json", config_of(file_->shape).dump(2) + "\n");
  return file_->digest.hex();
}

std::unique_ptr<WeightSource> saved_weights(const std::string& directory, const ModelShape& shape) {
  return std::make_unique<SavedWeights>(directory, shape);
}

}  // namespace apportion
