#include "worker/merged/gguf_lora.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "shared/architecture/block.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/gguf_export/gguf_shape_keys.h"
#include "shared/model_files/gguf_names.h"
#include "worker/merged/trained_cell.h"

namespace apportion {
namespace {

/// Both tensors of a matrix's adapter: A has the matrix's columns, B its rows.
std::vector<PlannedTensor> planned_pair(const ModelShape& shape, const Adapter::Entry& entry) {
  const PlannedTensor matrix = planned_tensor(shape, weight_name(entry.layer, entry.name), TensorType::f32);
  return {{matrix.name + ".lora_a", TensorType::f32, entry.a.sizes().vec()},
          {matrix.name + ".lora_b", TensorType::f32, entry.b.sizes().vec(), matrix.head_dim}};
}

}  // namespace

std::string export_gguf_lora(const std::string& directory, const std::string& cell,
                             const ExportRequest& request) {
  const at::NoGradGuard no_gradient;
  const std::string& to = request.gguf_lora;
  if (path_exists(to)) throw UserError(to + " exists; name a file that does not exist yet");
  const TrainedCell trained = open_trained_cell(directory, cell, request);
  if (!trained.adapter)
    throw UserError("the cell has trained all weights, " + trained.path +
                    ", and has no adapter; --merged OUT.gguf --gguf q8_0 writes them");
  const ModelShape& shape = trained.files->shape();
  GgufMetadata metadata;
  metadata.text(architecture_key, shape.architecture)
      .text("general.type", "adapter")
      .text("adapter.type", "lora")
      .number("adapter.lora.alpha", trained.adapter->config().alpha);
  const std::vector<Adapter::Entry> entries = trained.adapter->entries();
  std::vector<PlannedTensor> planned;
  for (const Adapter::Entry& entry : entries) {
    for (PlannedTensor& tensor : planned_pair(shape, entry)) planned.push_back(std::move(tensor));
  }
  GgufFileWriter writer(to, metadata, std::move(planned));
  for (const Adapter::Entry& entry : entries) {
    for (const at::Tensor& matrix : {entry.a, entry.b}) {
      const at::Tensor values = matrix.contiguous();
      writer.add({values.const_data_ptr<float>(), static_cast<size_t>(values.numel())});
    }
  }
  writer.finish();
  return to + " is the adapter of " + trained.path + " for " + trained.model + "\n";
}

}  // namespace apportion
