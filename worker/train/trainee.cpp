// Training of an adapter; see trainee.h.
#include "worker/train/trainee.h"

#include <utility>

#include "worker/parallel/gradients.h"

namespace apportion {
namespace {

class AdapterTrainee : public Trainee {
 public:
  AdapterTrainee(const Llama& model, Adapter& adapter) : model_(model), adapter_(adapter) {}

  std::unique_ptr<BlockPass> pass(std::vector<PassItem> items, Recompute recompute) override {
    adapter_.allow_parts(items.size());
    return std::make_unique<BlockPass>(model_, adapter_, std::move(items), recompute);
  }
  at::Tensor gradient(std::vector<at::Tensor> own, int micro_batches, Collectives& group) override {
    return tree_sum(std::move(own), adapter_.values(), micro_batches, group);
  }
  at::Tensor& values() override { return adapter_.values(); }
  Collectives* holders() override { return nullptr; }
  std::vector<MatrixPlace> matrices() override {
    std::vector<MatrixPlace> places;
    for (const Adapter::Entry& entry : adapter_.entries()) {
      for (const at::Tensor& matrix : {entry.a, entry.b})
        places.push_back({matrix.storage_offset(), matrix.size(0), matrix.size(1)});
    }
    return places;
  }
  void refresh() override { adapter_.refresh(model_.compute_type()); }
  std::vector<StatePart> state_parts(Collectives& group) const override {
    const auto rows = static_cast<uint64_t>(adapter_.values().numel());
    const auto [first, last] = rows_of(0, rows, group.group_rank(), group.size());
    return {{"adapter", rows, 0, rows, 0, first, last}};
  }
  double flops(const PassSize& size) const override {
    const auto layers = static_cast<double>(model_.shape().layers);
    const double share = 1 - static_cast<double>(adapter_.lowest_layer()) / layers;
    return train_flops(model_.shape(), adapter_.parameters(), size, share);
  }

 private:
  const Llama& model_;
  Adapter& adapter_;
};

}  // namespace

std::pair<uint64_t, uint64_t> rows_of(uint64_t first, uint64_t last, int index, int parts) {
  auto begin = [&](int i) {  // rows * i / parts without overflow
    const auto part = static_cast<uint64_t>(i), all = static_cast<uint64_t>(parts), rows = last - first;
    return first + rows / all * part + rows % all * part / all;
  };
  return {begin(index), begin(index + 1)};
}

std::unique_ptr<Trainee> train_adapter(const Llama& model, Adapter& adapter) {
  return std::make_unique<AdapterTrainee>(model, adapter);
}

}  // namespace apportion
