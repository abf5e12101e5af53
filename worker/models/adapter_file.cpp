#include "worker/models/adapter_file.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "shared/architecture/block.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/folder/peft_config.h"
#include "shared/model_files/safetensors.h"

namespace apportion {
namespace {

std::string tensor_name(const Adapter::Entry& entry, const char* matrix) {
  return "base_model.model." + block_prefix(entry.layer).append(entry.name) + "." + matrix + ".weight";
}

FloatTensor to_file(const at::Tensor& tensor) {
  at::Tensor host = tensor.cpu().contiguous();
  const auto* data = host.data_ptr<float>();
  return {host.sizes().vec(), {data, data + host.numel()}};
}

void from_file(const SafetensorsFile& file, const std::string& name, const at::Tensor& out) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end())
    throw DataError(file.path(), 0,
                    "tensor '" + name + "' is missing; target_modules of adapter_config.json ask for it");
  const TensorPlace& place = found->second;
  auto fail = [&](const std::string& what) {
    throw DataError(file.path(), file.offset(place), "tensor '" + name + "' has " + what);
  };
  if (const std::vector<int64_t> wanted = out.sizes().vec(); place.shape != wanted) {
    fail("shape " + nlohmann::json(place.shape).dump() + "; " + nlohmann::json(wanted).dump() +
         " is expected by the model and the rank");
  }
  const std::string_view bytes = file.bytes(place);
  if (first_not_finite(place.type, bytes)) fail("a NaN or an infinity");
  std::vector<float> values(static_cast<size_t>(out.numel()));
  dequantize(place.type, bytes, values.size(), values.data());
  out.copy_(at::tensor(values, at::kFloat).view(out.sizes()));
}

/// Checks that the tensors have the rank for which memory is allocated.
void check_rank(const SafetensorsFile& file, int rank) {
  bool any = false;
  for (const auto& [name, place] : file.tensors()) {
    if (!name.ends_with(".lora_A.weight")) continue;
    any = true;
    if (place.shape.size() == 2 && place.shape[0] == rank) continue;
    throw DataError(file.path(), file.offset(place),
                    "tensor '" + name + "' has shape " + nlohmann::json(place.shape).dump() + "; " +
                        std::to_string(rank) + " rows are expected by r of adapter_config.json");
  }
  if (!any) throw DataError(file.path(), 0, "there is no tensor NAME.lora_A.weight: is it a LoRA adapter's?");
}

/// The blocks that have adapters, as peft lists them: the uppermost ones.
std::vector<int64_t> layers_of(const Adapter& adapter) {
  std::vector<int64_t> layers;
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (layers.empty() || layers.back() != entry.layer) layers.push_back(entry.layer);
  }
  return layers;
}

/// The layers that have adapters, by the names of the model's own modules; lora_targets may use other names.
std::vector<std::string_view> targets_of(const Adapter& adapter) {
  std::vector<std::string_view> targets;
  for (const Adapter::Entry& entry : adapter.entries()) {
    if (entry.layer == adapter.lowest_layer())
      targets.push_back(entry.name.substr(entry.name.rfind('.') + 1));
  }
  return targets;
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
                           {"target_modules", targets_of(adapter)}};
  if (adapter.lowest_layer() > 0) config["layers_to_transform"] = layers_of(adapter);
  write_file(directory + "/adapter_config.json", config.dump(2) + "\n");
  return sha256(bytes);
}

Adapter load_adapter(const std::string& directory, const ModelShape& shape, at::Device device) {
  const LoraConfig config = read_peft_config(directory, shape.layers);
  const SafetensorsFile file(directory + "/adapter_model.safetensors");
  check_rank(file, config.rank);
  Adapter adapter(shape, config, 0, device);
  std::set<std::string> names;
  for (const Adapter::Entry& entry : adapter.entries()) {
    for (const auto& [matrix, out] : {std::pair("lora_A", entry.a), std::pair("lora_B", entry.b)}) {
      const std::string name = tensor_name(entry, matrix);
      from_file(file, name, out);
      names.insert(name);
    }
  }
  for (const auto& [name, place] : file.tensors()) {
    if (!names.contains(name)) {
      throw DataError(file.path(), file.offset(place),
                      "tensor '" + name + "' belongs to none of the target_modules of adapter_config.json");
    }
  }
  return adapter;
}

}  // namespace apportion
