#include "worker/train/full_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "worker/models/weights_file.h"
#include "worker/train/full_pass.h"

namespace apportion {
namespace {

/// Writes the values [first, last) of a group's run to `part`, from its initial rows.
void fill(const TrainedGroup& trained, int64_t first, int64_t last, const at::Tensor& part) {
  const std::vector<int64_t> starts = trained.group->starts();
  for (size_t t = 0; t < starts.size(); ++t) {
    const auto& sizes = trained.group->sizes()[t];
    const int64_t values = std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
    const int64_t row = values / sizes.front();
    const int64_t from = std::max(first - starts[t], int64_t{0}), to = std::min(last - starts[t], values);
    if (from >= to) continue;
    const int64_t first_row = from / row, last_row = (to + row - 1) / row;
    const at::Tensor rows = trained.rows(t, first_row, last_row).flatten();
    part.narrow(0, starts[t] + from - first, to - from)
        .copy_(rows.narrow(0, from - first_row * row, to - from));
  }
}

int64_t part_of_first(const TrainedGroup& trained, int rank) {
  const std::vector<int64_t> counts = trained.group->counts();
  return std::accumulate(counts.begin(), counts.begin() + rank, int64_t{0});
}

}  // namespace

FullWeights::FullWeights(Llama& model, const WeightSource& weights, const TrainingRanks& ranks)
    : model_(model), trained_(model.train_all(weights)), ranks_(ranks), groups_(trained_.groups()) {
  const WeightGroups index{static_cast<size_t>(model.shape().layers), model.vocabulary().chunks(),
                           model.vocabulary().is_tied()};
  gradient_ = std::make_unique<WeightGradient>(groups_, index, ranks.shards, ranks.replicas);
  values_ = at::zeros({gradient_->offsets().back()}, at::dtype(at::kFloat).device(model.device()));
  for (size_t g = 0; g < groups_.size(); ++g) {
    const at::Tensor part = part_of(g);
    const int64_t first = part_of_first(groups_[g], shard_rank());
    moved_.push_back(groups_[g].group->type() == at::kFloat && groups_[g].group->move_own(part));
    if (!moved_.back()) fill(groups_[g], first, first + part.numel(), part);
    groups_[g].rows = nullptr;  // `weights` may be freed
  }
  refresh();
}

at::Tensor FullWeights::part_of(size_t group) const {
  const auto& offsets = gradient_->offsets();
  return values_.narrow(0, offsets[group], offsets[group + 1] - offsets[group]);
}

std::unique_ptr<BlockPass> FullWeights::pass(std::vector<PassItem> items, Recompute recompute) {
  return std::make_unique<FullPass>(model_, std::move(items), recompute, *gradient_);
}

at::Tensor FullWeights::gradient(std::vector<at::Tensor> /*own*/, int /*micro_batches*/,
                                 Collectives& /*group*/) {
  return gradient_->take();
}

void FullWeights::refresh() {
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (!moved_[g]) groups_[g].group->own().copy_(part_of(g));
  }
  trained_.changed();
}

std::vector<StatePart> FullWeights::state_parts(Collectives& group) const {
  // Replicas have the same part, so each writes its share of it.
  const int shards = ranks_.shards ? ranks_.shards->size() : 1;
  const int replica = group.group_rank() / shards, replicas = group.size() / shards;
  std::vector<StatePart> parts;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const std::vector<int64_t> counts = groups_[g].group->counts();
    StatePart& part = parts.emplace_back();
    part.name = "weights/" + groups_[g].name;
    part.rows = static_cast<uint64_t>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    part.first = static_cast<uint64_t>(part_of_first(groups_[g], shard_rank()));
    part.last = part.first + static_cast<uint64_t>(counts[static_cast<size_t>(shard_rank())]);
    part.offset = gradient_->offsets()[g];
    std::tie(part.write_first, part.write_last) = rows_of(part.first, part.last, replica, replicas);
  }
  return parts;
}

double FullWeights::flops(const PassSize& size) const {
  // Each product's weights get a gradient, too: that adds the forward FLOPs again, without attention.
  return train_flops(model_.shape(), 0, size) +
         forward_flops(model_.shape(), 0, {size.tokens, 0, size.vocabulary_rows});
}

std::string FullWeights::save(const std::string& directory, const std::string& config) const {
  std::unique_ptr<WeightsWriter> writer;
  if (shard_rank() == 0) writer = std::make_unique<WeightsWriter>(directory, model_.shape(), config);
  for (size_t g = 0; g < groups_.size(); ++g) {
    const std::vector<int64_t> counts = groups_[g].group->counts();
    at::Tensor run = part_of(g);
    if (ranks_.shards) {
      run = at::empty({std::accumulate(counts.begin(), counts.end(), int64_t{0})}, values_.options());
      ranks_.shards->all_gather(part_of(g), run, counts);
    }
    if (!writer) continue;
    for (const at::Tensor& tensor : gradient_->views(g, run)) writer->add(tensor);
  }
  return writer ? writer->finish() : "";
}

}  // namespace apportion
