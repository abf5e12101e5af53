#include "shared/architecture/shape.h"

#include <algorithm>
#include <cmath>

namespace apportion {

const std::vector<std::string>& architecture_names() {
  static const std::vector<std::string> names = {"llama", "qwen2", "qwen3", "gemma2", "phi3"};
  return names;
}

bool is_computed(const std::string& architecture) {
  const std::vector<std::string>& names = architecture_names();
  return std::find(names.begin(), names.end(), architecture) != names.end();
}

void ModelShape::set_traits() {
  qkv_bias = architecture == "qwen2";
  qk_norm = architecture == "qwen3";
  if (architecture != "gemma2") return;
  output_norms = unit_offset = true;
  activation = Activation::gelu;
  embedding_scale = std::sqrt(static_cast<double>(width));
}

void ModelShape::set_window(int64_t tokens, const std::vector<bool>& which) {
  if (tokens >= context_length || std::find(which.begin(), which.end(), true) == which.end()) return;
  window = tokens;
  windowed = which;
}

std::vector<bool> every_other_layer(int64_t layers) {
  std::vector<bool> every_other;
  for (int64_t layer = 0; layer < layers; ++layer) every_other.push_back(layer % 2 == 0);
  return every_other;
}

}  // namespace apportion
