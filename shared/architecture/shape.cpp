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

}  // namespace apportion
