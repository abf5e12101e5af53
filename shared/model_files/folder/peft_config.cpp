#include "shared/model_files/folder/peft_config.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string_view>
#include <vector>

#include "shared/architecture/lora_targets.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/config/option.h"
#include "shared/model_files/folder/json_node.h"

namespace apportion {
namespace {

/// The share of the blocks that peft's list names, which must be the uppermost; all without a list.
double uppermost_layers(const std::string& path, const nlohmann::json& listed, int64_t layers) {
  if (listed.is_null()) return 1;
  std::vector<int64_t> wanted(listed.is_array() ? std::min(listed.size(), static_cast<size_t>(layers)) : 0);
  std::iota(wanted.begin(), wanted.end(), layers - static_cast<int64_t>(wanted.size()));
  if (wanted.empty() || listed != nlohmann::json(wanted))
    throw DataError(path, 0,
                    "layers_to_transform must list the uppermost of " + std::to_string(layers) +
                        " blocks, the lowest first");
  return static_cast<double>(wanted.size()) / static_cast<double>(layers);
}

/// Refuses what else peft knows and is not computed here (scales by the root of the rank, ranks of single
/// layers, DoRA, biases, other trained modules, initialisations that change the base), and keys that nobody
/// knows yet.
void check_config(const std::string& path, const nlohmann::json& json) {
  // Read below, or without effect on what is computed.
  static const std::set<std::string_view> known = {"r",
                                                   "lora_alpha",
                                                   "target_modules",
                                                   "layers_to_transform",
                                                   "layers_pattern",
                                                   "peft_type",
                                                   "task_type",
                                                   "auto_mapping",
                                                   "revision",
                                                   "peft_version",
                                                   "lora_dropout",
                                                   "base_model_name_or_path",
                                                   "inference_mode",
                                                   "megatron_core",
                                                   "qalora_group_size"};
  for (const auto& [key, value] : json.items()) {
    const bool begins_plainly = key == "init_lora_weights" && (value == true || value == "gaussian");
    if (known.contains(key) || says_nothing(value) || value == "none" || begins_plainly) continue;
    throw DataError(path, 0, key + " is " + value.dump() + ", which is not supported");
  }
}

}  // namespace

LoraConfig read_peft_config(const std::string& directory, int64_t layers) {
  const std::string path = directory + "/adapter_config.json";
  const nlohmann::json json = parse_object(path, read_file(path));
  auto value = [&](const char* key) { return json.value(key, nlohmann::json()); };
  auto fail = [&](const char* key, const std::string& right) {
    throw DataError(path, 0, std::string(key) + " is " + json_text(value(key)) + "; " + right);
  };
  if (value("peft_type") != "LORA") fail("peft_type", "\"LORA\" is expected, for a LoRA adapter");
  check_config(path, json);
  constexpr uint64_t most = std::numeric_limits<int>::max();
  const nlohmann::json rank = value("r"), alpha = value("lora_alpha"), targets = value("target_modules");
  if (!rank.is_number_unsigned() || rank.get<uint64_t>() < 1 || rank.get<uint64_t>() > most)
    fail("r", "a rank from 1 to " + std::to_string(most) + " is expected");
  if (!alpha.is_number()) fail("lora_alpha", "a number is expected");
  const bool is_list =
      targets.is_array() &&
      std::all_of(targets.begin(), targets.end(), [](const auto& target) { return target.is_string(); });
  if (!is_list) fail("target_modules", "a list of names is expected");
  const std::vector<std::string> known = all_lora_targets();
  const bool has_known = std::any_of(targets.begin(), targets.end(), [&](const auto& target) {
    return std::find(known.begin(), known.end(), target) != known.end();
  });
  if (!has_known) fail("target_modules", join(known, ", ") + " can be adapted");
  LoraConfig config{rank.get<int>(), alpha.get<double>(), {}};
  config.layers = uppermost_layers(path, json.value("layers_to_transform", nlohmann::json()), layers);
  for (const auto& target : targets) config.targets.push_back(target.get<std::string>());
  return config;
}

std::string adapter_digest(const std::string& directory) {
  Digest digest;
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    digest.add(sha256_file(directory + "/" + name));
  return digest.hex();
}

}  // namespace apportion
