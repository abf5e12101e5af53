#include "shared/architecture/block.h"

#include <algorithm>

#include "shared/architecture/lora_targets.h"

namespace apportion {

int64_t inputs_of(const FusedLayers& layers) { return layers.front().inputs; }

int64_t outputs_of(const FusedLayers& layers) { return layers.back().first_row + layers.back().outputs; }

BlockDescription describe_block(const ModelShape& shape) {
  const int64_t width = shape.width, ffn = shape.ffn_width;
  const int64_t query = shape.heads * shape.head_dim, key = shape.kv_heads * shape.head_dim;
  BlockDescription block;
  block.products = {{{"self_attn.q_proj", width, query},
                     {"self_attn.k_proj", width, key},
                     {"self_attn.v_proj", width, key}},
                    {{"self_attn.o_proj", query, width}},
                    {{"mlp.gate_proj", width, ffn}, {"mlp.up_proj", width, ffn}},
                    {{"mlp.down_proj", ffn, width}}};
  if (shape.architecture == "phi3") {  // has one tensor each for what the others compute as one product
    block.products[0] = {{"self_attn.qkv_proj", width, query + 2 * key}};
    block.products[2] = {{"mlp.gate_up_proj", width, 2 * ffn}};
  }
  for (FusedLayers& product : block.products) {
    for (size_t i = 1; i < product.size(); ++i)
      product[i].first_row = product[i - 1].first_row + product[i - 1].outputs;
  }
  block.vectors = {{"input_layernorm.weight", width}, {"post_attention_layernorm.weight", width}};
  if (shape.output_norms) {  // the second of those above is then the first of these
    block.vectors.push_back({"pre_feedforward_layernorm.weight", width});
    block.vectors.push_back({"post_feedforward_layernorm.weight", width});
  }
  if (shape.qk_norm) {
    block.vectors.push_back({"self_attn.q_norm.weight", shape.head_dim});
    block.vectors.push_back({"self_attn.k_norm.weight", shape.head_dim});
  }
  if (shape.qkv_bias) {
    block.vectors.push_back({"self_attn.q_proj.bias", query});
    block.vectors.push_back({"self_attn.k_proj.bias", key});
    block.vectors.push_back({"self_attn.v_proj.bias", key});
  }
  return block;
}

std::string block_prefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

std::string weight_name(int64_t layer, std::string_view part) {
  return block_prefix(layer).append(part).append(".weight");
}

std::map<std::string, std::vector<int64_t>> tensors_of(const ModelShape& shape) {
  const BlockDescription block = describe_block(shape);
  std::map<std::string, std::vector<int64_t>> tensors;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const FusedLayers& product : block.products) {
      for (const LinearLayer& linear : product)
        tensors[weight_name(layer, linear.name)] = {linear.outputs, linear.inputs};
    }
    for (const VectorWeights& vector : block.vectors)
      tensors[block_prefix(layer).append(vector.name)] = {vector.size};
  }
  tensors[embedding_name] = {shape.vocabulary, shape.width};
  tensors[output_norm_name] = {shape.width};
  if (!shape.tied_embedding) tensors[head_name] = {shape.vocabulary, shape.width};
  return tensors;
}

std::vector<std::string> lora_target_names() { return lora_targets_of({}); }

int64_t ModelShape::block_parameters() const {
  int64_t sum = 0;
  for (const FusedLayers& product : describe_block(*this).products)
    sum += inputs_of(product) * outputs_of(product);
  return layers * sum;
}

int64_t ModelShape::vector_parameters() const {
  int64_t sum = 0;
  for (const VectorWeights& vector : describe_block(*this).vectors) sum += vector.size;
  return layers * sum + width;
}

int64_t ModelShape::parameters() const {
  return block_parameters() + vector_parameters() + (tied_embedding ? 1 : 2) * vocabulary * width;
}

}  // namespace apportion
