#include "shared/architecture/lora_targets.h"

#include <algorithm>
#include <string_view>

#include "shared/base/error.h"

namespace apportion {
namespace {

/// Layers that some models have in one tensor.
struct JoinedLayer {
  std::string_view name;
  std::vector<std::string> parts;
};
const std::vector<JoinedLayer>& joined_layers() {
  static const std::vector<JoinedLayer> layers = {{"qkv_proj", {"q_proj", "k_proj", "v_proj"}},
                                                  {"gate_up_proj", {"gate_proj", "up_proj"}}};
  return layers;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> parts_of(const LinearLayer& linear) {
  for (const JoinedLayer& joined : joined_layers()) {
    if (joined.name == linear.target()) return joined.parts;
  }
  return {};
}

}  // namespace

std::vector<std::string> all_lora_targets() {
  std::vector<std::string> names = lora_target_names();
  for (const JoinedLayer& joined : joined_layers()) names.emplace_back(joined.name);
  return names;
}

std::vector<std::string> lora_targets_of(const ModelShape& shape) {
  std::vector<std::string> names;
  for (const FusedLayers& product : describe_block(shape).products) {
    for (const LinearLayer& linear : product) names.emplace_back(linear.target());
  }
  return names;
}

bool is_lora_target(const LinearLayer& linear, const std::vector<std::string>& targets) {
  const std::vector<std::string> parts = parts_of(linear);
  return has(targets, linear.target()) ||
         (!parts.empty() && std::all_of(parts.begin(), parts.end(),
                                        [&](const std::string& part) { return has(targets, part); }));
}

void check_lora_targets(const ModelShape& shape, const std::vector<std::string>& targets) {
  std::vector<std::string> named = lora_targets_of(shape), right = named;
  for (const FusedLayers& product : describe_block(shape).products) {
    for (const LinearLayer& linear : product) {
      const std::vector<std::string> parts = parts_of(linear);
      if (is_lora_target(linear, targets)) named.insert(named.end(), parts.begin(), parts.end());
    }
  }
  for (const std::string& target : targets) {
    if (has(named, target)) continue;
    std::string names;
    for (const std::string& name : right) names += (names.empty() ? "" : ", ") + name;
    throw UserError("lora_targets has " + target + ", which is not a layer of a " + shape.architecture +
                    " model; those of " + names + " are");
  }
}

}  // namespace apportion
