#include "worker/merged/merged_weights.h"

#include <ATen/ATen.h>

#include "shared/architecture/block.h"

namespace apportion {

MergedWeights::MergedWeights(const TrainedCell& trained)
    : weights_(trained.adapter ? trained.files->tensors()
                               : folder_tensors(trained.path, trained.files->shape())) {
  if (!trained.adapter) return;
  scale_ = trained.adapter->config().alpha / trained.adapter->config().rank;
  for (Adapter::Entry& entry : trained.adapter->entries())
    entries_[weight_name(entry.layer, entry.name)] = entry;
}

at::Tensor MergedWeights::whole(const std::string& name) const {
  at::Tensor values = weights_.whole(name);
  if (const auto entry = entries_.find(name); entry != entries_.end())
    values.add_(at::mm(entry->second.b, entry->second.a), scale_);
  return values;
}

}  // namespace apportion
