#include "worker/models/trained_weights.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace apportion {

TrainedWeights::TrainedWeights(BlockStore& blocks, Vocabulary& vocabulary, at::Tensor& output_norm,
                               const WeightSource& source, const BaseLayout& layout, at::Device device)
    : blocks_(blocks), vocabulary_(vocabulary), output_norm_(output_norm), layout_(layout), device_(device) {
  train_blocks(source);
  vocabulary_.train(source, groups_);
  train_vectors(source);
}

std::vector<TrainedWeights::Vector> TrainedWeights::vectors() {
  const std::vector<VectorWeights>& described = blocks_.description().vectors;
  std::vector<Vector> all;
  for (int64_t layer = 0; layer < blocks_.layers(); ++layer) {
    for (size_t vector = 0; vector < described.size(); ++vector) {
      all.push_back({block_prefix(layer).append(described[vector].name), &blocks_.at(layer).vectors[vector]});
    }
  }
  all.push_back({output_norm_name, &output_norm_});
  return all;
}

void TrainedWeights::train_blocks(const WeightSource& source) {
  for (int64_t layer = 0; layer < blocks_.layers(); ++layer) {
    BlockWeights& block = blocks_.at(layer);
    for (size_t group = 0; group < block.groups.size(); ++group) {
      block.groups[group].leaf_OI = at::empty({1}, at::dtype(at::kFloat).device(device_))
                                        .expand(block.base->sizes()[group])
                                        .detach()
                                        .set_requires_grad(true);
    }
    auto rows = [&source, &block, layer](size_t group, int64_t first, int64_t last) {
      return fused_rows(source, layer, block.groups[group].parts, first, last, BaseType::compute);
    };
    groups_.push_back({"blk." + std::to_string(layer), block.base.get(), rows});
  }
}

void TrainedWeights::train_vectors(const WeightSource& source) {
  std::vector<std::string> names;
  std::vector<std::vector<int64_t>> sizes;
  for (const Vector& vector : vectors()) {
    names.push_back(vector.name);
    sizes.push_back(vector.weights->sizes().vec());
    *vector.weights = vector.weights->detach().clone().set_requires_grad(true);
  }
  auto rows = [&source, names](size_t vector, int64_t first, int64_t last) {
    return source.rows(names[vector], first, last);
  };
  norms_ = std::make_unique<ShardGroup>(sizes, at::kFloat, device_, BaseLayout{layout_.ranks, false},
                                        at::Tensor(), rows);
  groups_.push_back({"norms", norms_.get(), rows});
}

void TrainedWeights::changed() {
  const at::NoGradGuard no_gradient;
  if (shares_memory(layout_, device_)) layout_.ranks->barrier();  // until the others have written their parts
  vocabulary_.weights_changed();
  blocks_.weights_changed();
  const std::vector<at::Tensor>& changed = norms_->get();
  size_t index = 0;
  for (const Vector& vector : vectors()) vector.weights->copy_(changed[index++]);
  norms_->release();
}

}  // namespace apportion
