#include "worker/models/adapter_file.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/safetensors.h"

namespace apportion {
namespace {

std::string tensor_name(const Adapter::Entry& entry, const char* matrix) {
  return "base_model.model.model.layers." + std::to_string(entry.layer) + "." + entry.name + "." + matrix +
         ".weight";
}

FloatTensor to_file(const at::Tensor& tensor) {
  at::Tensor host = tensor.cpu().contiguous();
  const auto* data = host.data_ptr<float>();
  return {host.sizes().vec(), {data, data + host.numel()}};
}

void from_file(const std::map<std::string, FloatTensor>& tensors, const std::string& path,
               const std::string& name, const at::Tensor& out) {
  auto found = tensors.find(name);
  if (found == tensors.end()) throw DataError(path, 0, "tensor '" + name + "' is missing");
  if (found->second.shape != out.sizes().vec()) {
    throw DataError(path, 0, "tensor '" + name + "' has another shape than the model and the rank ask for");
  }
  const std::vector<float>& values = found->second.values;
  check_finite(path, name, values);
  out.copy_(at::tensor(values, at::kFloat).view(out.sizes()));
}

/// The blocks that have adapters, as peft lists them: the uppermost ones.
std::vector<int64_t> layers_of(const Adapter& adapter) {
  std::vector<int64_t> layers;
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (layers.empty() || layers.back() != entry.layer) layers.push_back(entry.layer);
  }
  return layers;
}

/// Which share of the blocks peft's list names, which are to be the uppermost; without a list all.
double uppermost_layers(const std::string& path, const nlohmann::json& listed, int64_t layers) {
  if (listed.is_null()) return 1;
  std::vector<int64_t> wanted(listed.is_array() ? std::min(listed.size(), static_cast<size_t>(layers)) : 0);
  std::iota(wanted.begin(), wanted.end(), layers - static_cast<int64_t>(wanted.size()));
  if (wanted.empty() || listed != nlohmann::json(wanted))
    throw DataError(path, 0,
                    "layers_to_transform is to list the uppermost of " + std::to_string(layers) +
                        " blocks, the lowest first");
  return static_cast<double>(wanted.size()) / static_cast<double>(layers);
}

/// Whether a value of peft's says "not so": null, false, nothing in it, or the one that changes nothing.
bool says_nothing(const nlohmann::json& value) {
  return value.is_null() || value == false || value == "none" || (value.is_structured() && value.empty());
}

/// What peft knows besides and is not computed here (scales by the root of the rank, ranks of single layers,
/// DoRA, biases, other modules that were trained, beginnings that change the base) is refused, also what
/// nobody knows yet.
void check_config(const std::string& path, const nlohmann::json& json) {
  // Read below, or without a word on what is computed.
  constexpr std::string_view known =
      " r lora_alpha target_modules layers_to_transform layers_pattern peft_type task_type auto_mapping "
      "revision peft_version lora_dropout base_model_name_or_path inference_mode megatron_core "
      "qalora_group_size ";
  for (const auto& [key, value] : json.items()) {
    const bool begins_plainly = key == "init_lora_weights" && (value == true || value == "gaussian");
    if (known.find(" " + key + " ") != std::string_view::npos || says_nothing(value) || begins_plainly)
      continue;
    throw DataError(path, 0, key + " is " + value.dump() + ", which is not computed here");
  }
}

LoraConfig parse_config(const std::string& path, int64_t layers) {
  nlohmann::json json = nlohmann::json::parse(read_file(path), nullptr, false);
  if (!json.is_object() || json.value("peft_type", "") != "LORA") {
    throw DataError(path, 0, "this is not the configuration of a LoRA adapter (peft_type LORA)");
  }
  check_config(path, json);
  const nlohmann::json rank = json.value("r", nlohmann::json()),
                       alpha = json.value("lora_alpha", nlohmann::json());
  const nlohmann::json targets = json.value("target_modules", nlohmann::json());
  if (!rank.is_number_integer() || rank.get<int>() < 1 || !alpha.is_number() || !targets.is_array()) {
    throw DataError(path, 0,
                    "r, lora_alpha and target_modules are to be a positive integer, a number and a list");
  }
  LoraConfig config{rank.get<int>(), alpha.get<double>(), {}};
  config.layers = uppermost_layers(path, json.value("layers_to_transform", nlohmann::json()), layers);
  for (const auto& target : targets) {
    if (target.is_string()) config.targets.push_back(target.get<std::string>());
  }
  return config;
}

/// What a person who finds the folder has to know: for which model the adapter is.
void write_card(const std::string& path, const std::string& base_model, const std::string& hub_name) {
  const std::string line =
      hub_name.empty()
          ? "A LoRA adapter that apportion trained for the model `" + base_model +
                "`, whose file does not tell its name on the hub: load it by hand and give it to " +
                "`PeftModel.from_pretrained`, or write its name into adapter_config.json.\n"
          : "A LoRA adapter that apportion trained for " + hub_name +
                ": `AutoPeftModelForCausalLM.from_pretrained` loads both.\n";
  if (std::filesystem::exists(path)) {
    const std::string card = read_file(path);
    if (card.find(line) == std::string::npos) write_file(path, card + "\n" + line);
    return;
  }
  const std::string base = hub_name.empty() ? "" : "base_model: " + hub_name + "\n";
  write_file(path, "---\n" + base + "library_name: peft\ntags:\n- lora\n---\n\n" + line);
}

}  // namespace

std::string save_adapter(const std::string& directory, const Adapter& adapter, const std::string& base_model,
                         const std::string& hub_name) {
  make_directories(directory);
  std::map<std::string, FloatTensor> tensors;
  for (const Adapter::Entry& entry : adapter.entries()) {
    tensors[tensor_name(entry, "lora_A")] = to_file(entry.a);
    tensors[tensor_name(entry, "lora_B")] = to_file(entry.b);
  }
  const std::string bytes = encode_safetensors(tensors, {{"format", "pt"}});
  write_file(directory + "/adapter_model.safetensors", bytes);
  nlohmann::json config = {{"peft_type", "LORA"},
                           {"task_type", "CAUSAL_LM"},
                           {"base_model_name_or_path", hub_name.empty() ? base_model : hub_name},
                           {"r", adapter.config().rank},
                           {"lora_alpha", adapter.config().alpha},
                           {"lora_dropout", 0.0},
                           {"bias", "none"},
                           {"fan_in_fan_out", false},
                           {"inference_mode", true},
                           {"target_modules", adapter.config().targets}};
  if (adapter.lowest_layer() > 0) config["layers_to_transform"] = layers_of(adapter);
  write_card(directory + "/README.md", base_model, hub_name);
  write_file(directory + "/adapter_config.json", config.dump(2) + "\n");
  return sha256(bytes);
}

Adapter load_adapter(const std::string& directory, const ModelShape& shape, at::Device device) {
  Adapter adapter(shape, parse_config(directory + "/adapter_config.json", shape.layers), 0, device);
  const std::string path = directory + "/adapter_model.safetensors";
  const auto tensors = read_safetensors(path);
  const auto entries = adapter.entries();
  for (const Adapter::Entry& entry : entries) {
    from_file(tensors, path, tensor_name(entry, "lora_A"), entry.a);
    from_file(tensors, path, tensor_name(entry, "lora_B"), entry.b);
  }
  if (tensors.size() != 2 * entries.size()) {
    throw DataError(path, 0,
                    "the file has " + std::to_string(tensors.size()) + " tensors; " +
                        std::to_string(2 * entries.size()) + " belong to the adapter's target modules");
  }
  return adapter;
}

}  // namespace apportion
