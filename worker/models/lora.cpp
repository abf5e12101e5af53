#include "worker/models/lora.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "shared/architecture/lora_targets.h"
#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/config/option.h"
#include "worker/kernels/row_kernels.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

/// copy = values * scale in `type`; reuses copy's memory.
void scaled_copy(const at::Tensor& values, double scale, at::ScalarType type, at::Tensor& copy) {
  if (!values.is_cpu() || type != at::kBFloat16) {
    copy = values.mul(scale).to(type);
    return;
  }
  if (!copy.defined() || copy.scalar_type() != type) copy = at::empty(values.sizes(), type);
  row_kernels<Bfloat>().scale(values.data_ptr<float>(), static_cast<float>(scale), values.numel(),
                              static_cast<Bfloat*>(copy.data_ptr()));
}

}  // namespace

Adapter::Adapter(const ModelShape& shape, const LoraConfig& config, uint64_t seed, at::Device device)
    : config_(config), shape_(shape) {
  const auto groups = describe_block(shape).products;
  std::vector<float> values;
  struct Place {
    int64_t a_begin, b_begin, a_rows, inputs, b_rows;
  };
  std::vector<Place> places;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    auto& row = groups_.emplace_back();
    for (size_t g = 0; g < groups.size(); ++g) {
      if (layer < lowest_layer()) {
        row.push_back(nullptr);
        continue;
      }
      auto lora = std::make_unique<LoraGroup>();
      int64_t b_rows = 0;
      for (size_t i = 0; i < groups[g].size(); ++i) {
        if (!is_lora_target(groups[g][i], config.targets)) continue;
        lora->adapted.push_back(i);
        b_rows += groups[g][i].outputs;
      }
      if (lora->adapted.empty()) {
        row.push_back(nullptr);
        continue;
      }
      lora->scale = config.alpha / config.rank;
      const int64_t inputs = inputs_of(groups[g]),
                    a_rows = static_cast<int64_t>(lora->adapted.size()) * config.rank;
      const auto a_begin = static_cast<int64_t>(values.size());
      CounterRng rng(seed, "lora_A layer " + std::to_string(layer) + " group " + std::to_string(g));
      const double bound = 1 / std::sqrt(static_cast<double>(inputs));
      for (int64_t i = 0; i < a_rows * inputs; ++i)
        values.push_back(static_cast<float>((2 * rng.uniform() - 1) * bound));
      places.push_back({a_begin, static_cast<int64_t>(values.size()), a_rows, inputs, b_rows});
      values.resize(values.size() + static_cast<size_t>(b_rows * config.rank), 0.0F);
      row.push_back(std::move(lora));
    }
  }
  if (values.empty())
    throw UserError("lora_targets names no linear layer of the model; name some of " +
                    join(lora_targets_of(shape), ", "));
  values_ = at::tensor(values, at::kFloat).to(device);
  size_t place = 0;
  for (auto& row : groups_) {
    for (auto& lora : row) {
      if (!lora) continue;
      const Place& at_ = places[place++];
      lora->a =
          values_.narrow(0, at_.a_begin, at_.a_rows * at_.inputs).view({at_.a_rows, at_.inputs}).detach();
      lora->b =
          values_.narrow(0, at_.b_begin, at_.b_rows * config.rank).view({at_.b_rows, config.rank}).detach();
      for (at::Tensor* leaf : {&lora->a, &lora->b}) leaves_.push_back(leaf->set_requires_grad(true));
      lora->leaves = {lora->a, lora->b};
    }
  }
}

int64_t Adapter::lowest_layer() const {
  const int64_t layers = std::lround(config_.layers * static_cast<double>(shape_.layers));
  return shape_.layers - std::clamp<int64_t>(layers, 1, shape_.layers);
}

void Adapter::refresh(at::ScalarType compute_type) {
  std::vector<LoraGroup*> all;
  for (auto& row : groups_) {
    for (auto& lora : row) {
      if (lora) all.push_back(lora.get());
    }
  }
  auto renew = [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      LoraGroup& lora = *all[static_cast<size_t>(i)];
      scaled_copy(lora.a.detach(), lora.scale, compute_type, lora.a_compute);
      scaled_copy(lora.b.detach(), 1, compute_type, lora.b_compute);
    }
  };
  const auto count = static_cast<int64_t>(all.size());
  values_.is_cpu() ? run_pieces(count, 1, renew) : renew(0, count);
}

std::vector<at::Tensor> Adapter::leaves_of(int64_t layer, size_t part) const {
  std::vector<at::Tensor> leaves;
  for (const auto& lora : groups_[static_cast<size_t>(layer)]) {
    if (!lora) continue;
    const auto first = lora->leaves.begin() + 2 * static_cast<int64_t>(part);
    leaves.insert(leaves.end(), first, first + 2);
  }
  return leaves;
}

void Adapter::allow_parts(size_t parts) {
  for (; parts_ < parts; ++parts_) {
    for (auto& row : groups_) {
      for (auto& lora : row) {
        if (!lora) continue;
        for (const at::Tensor& leaf : {lora->a, lora->b}) {
          const auto count = static_cast<int64_t>(parts_) + 1;
          const at::Tensor values =
              values_.is_cpu() ? leaf : leaf.detach().expand({count, leaf.size(0), leaf.size(1)});
          lora->leaves.push_back(values.detach().set_requires_grad(true));
        }
      }
    }
  }
}

const LoraGroup* Adapter::group(int64_t layer, size_t group) const {
  return groups_[static_cast<size_t>(layer)][group].get();
}

std::vector<Adapter::Entry> Adapter::entries() const {
  const auto groups = describe_block(shape_).products;
  std::vector<Entry> all;
  for (size_t layer = 0; layer < groups_.size(); ++layer) {
    for (size_t g = 0; g < groups.size(); ++g) {
      const LoraGroup* lora = groups_[layer][g].get();
      if (!lora) continue;
      int64_t b_row = 0;
      for (size_t i = 0; i < lora->adapted.size(); ++i) {
        const LinearLayer& part = groups[g][lora->adapted[i]];
        all.push_back({static_cast<int64_t>(layer), part.name,
                       lora->a.detach().narrow(0, static_cast<int64_t>(i) * config_.rank, config_.rank),
                       lora->b.detach().narrow(0, b_row, part.outputs)});
        b_row += part.outputs;
      }
    }
  }
  return all;
}

}  // namespace apportion
