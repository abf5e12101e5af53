#include "worker/merged/merged_weights.h"

#include <ATen/ATen.h>

#include "shared/architecture/block.h"

namespace apportion {

MergedWeights::MergedWeights(const TrainedCell& trained)
    : scale_(trained.scale()), weights_(trained.files->tensors()) {
  for (Adapter::Entry& entry : trained.adapter.entries())
    entries_[weight_name(entry.layer, entry.name)] = entry;
}

at::Tensor MergedWeights::whole(const std::string& name) const {
  at::Tensor values = weights_.whole(name);
  if (const auto entry = entries_.find(name); entry != entries_.end())
    values.add_(at::mm(entry->second.b, entry->second.a), scale_);
  return values;
}

}  // namespace apportion
