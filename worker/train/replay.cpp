// Rows that keep the model as it was elsewhere; see replay.h.
#include "worker/train/replay.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "shared/base/error.h"
#include "worker/losses/log_probs.h"

namespace apportion {
namespace {

constexpr size_t unit_rows = 16;  // that go through the base as one tree

std::vector<int> groups_in(const std::vector<ReplayRow>& rows) {
  std::vector<int> groups;
  for (const ReplayRow& row : rows) groups.push_back(row.group);
  return groups;
}

}  // namespace

std::vector<at::Tensor> kept_hidden(const Llama& model, const Adapter* adapter,
                                    const std::vector<ReplayTree>& trees) {
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> ids_T;
  for (const ReplayTree& tree : trees) ids_T.push_back(tree.rows.ids_T);
  std::vector<at::Tensor> x_TC = model.vocabulary().embed(ids_T);
  model.blocks().walk(Direction::forward, static_cast<int>(trees.size()), [&](int64_t layer, int item) {
    at::Tensor& x = x_TC[static_cast<size_t>(item)];
    x = model.block(layer, x, trees[static_cast<size_t>(item)].rows, adapter);
  });
  for (size_t i = 0; i < trees.size(); ++i)
    x_TC[i] = model.final_norm(x_TC[i].index_select(0, trees[i].kept_N));
  return x_TC;
}

at::Tensor answer_log_probs(const Llama& model, const Adapter* adapter,
                            const std::vector<const ReplayRow*>& rows) {
  const at::NoGradGuard no_gradient;
  std::vector<int64_t> tokens;
  for (const ReplayRow* row : rows) tokens.insert(tokens.end(), row->answer.begin(), row->answer.end());
  std::vector<ReplayTree> trees;
  if (!rows.empty()) trees.push_back(pack_replay(rows, model.shape(), model.device()));
  const std::vector<at::Tensor> logits = model.vocabulary().logits(kept_hidden(model, adapter, trees));
  if (logits.empty()) return at::empty({0}, at::kFloat);
  const at::Tensor token_N = at::tensor(tokens, at::kLong).to(model.device());
  const EdgeIndex edges{{}, at::arange(token_N.size(0), token_N.options()), token_N};
  return pick_edges(logits[0].log_softmax(-1), edges).cpu();
}

Replay::Replay(std::vector<ReplayRow> rows, int per_step, uint64_t seed)
    : rows_(std::move(rows)), per_step_(per_step), schedule_(groups_in(rows_), per_step, seed) {
  const auto texts =
      std::count_if(rows_.begin(), rows_.end(), [](const ReplayRow& row) { return kept_positions(row) > 1; });
  if (texts > 0) text_weight_ = static_cast<double>(rows_.size()) / static_cast<double>(texts);
  base_hidden_.resize(rows_.size());
}

std::vector<int> Replay::rows_of_steps(int steps) const {
  std::vector<bool> taken(rows_.size(), false);
  for (int step = 0; step < std::min(steps, schedule_.batches()); ++step) {
    for (int row : schedule_.batch(schedule_.batch_of_step(step))) taken[static_cast<size_t>(row)] = true;
  }
  std::vector<int> rows;
  for (size_t row = 0; row < rows_.size(); ++row) {
    if (taken[row] && !base_hidden_[row].defined()) rows.push_back(static_cast<int>(row));
  }
  return rows;
}

void Replay::prepare(const Llama& base, const Adapter* adapter, Collectives& group, int steps) {
  std::vector<int> rows = rows_of_steps(steps);
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return row(a).prompt < row(b).prompt; });
  const size_t ranks = static_cast<size_t>(group.size()), units = (rows.size() + unit_rows - 1) / unit_rows;
  std::vector<ReplayTree> own;
  std::vector<int64_t> counts(ranks, 0);  // number of each rank's hidden values
  std::vector<std::vector<int>> order(ranks);
  for (size_t unit = 0; unit < units; ++unit) {
    const size_t rank = unit * ranks / units;
    std::vector<const ReplayRow*> members;
    for (size_t i = unit * unit_rows; i < std::min(rows.size(), (unit + 1) * unit_rows); ++i) {
      members.push_back(&row(rows[i]));
      order[rank].push_back(rows[i]);
      counts[rank] += kept_positions(*members.back()) * base.shape().width;
    }
    if (static_cast<int>(rank) == group.group_rank())
      own.push_back(pack_replay(members, base.shape(), base.device()));
  }
  const std::vector<at::Tensor> hidden = kept_hidden(base, adapter, own);
  const auto options = at::dtype(at::kFloat).device(base.device());
  const at::Tensor mine = hidden.empty() ? at::empty({0}, options) : at::cat(hidden).flatten();
  at::Tensor all = at::empty({std::accumulate(counts.begin(), counts.end(), int64_t{0})}, options);
  group.all_gather(mine, all, counts);
  int64_t offset = 0;
  for (const auto& list : order) {
    for (int index : list) {
      const int64_t positions = kept_positions(row(index));
      base_hidden_[static_cast<size_t>(index)] =
          all.narrow(0, offset, positions * base.shape().width).view({positions, base.shape().width});
      offset += positions * base.shape().width;
    }
  }
}

std::vector<std::vector<int>> Replay::parts_of(int step, int micro_batches) const {
  std::vector<int> rows = schedule_.batch(schedule_.batch_of_step(step));
  std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return row(a).prompt < row(b).prompt; });
  std::vector<std::vector<int>> parts(static_cast<size_t>(micro_batches));
  for (size_t i = 0; i < rows.size(); ++i) parts[i * parts.size() / rows.size()].push_back(rows[i]);
  return parts;
}

}  // namespace apportion
