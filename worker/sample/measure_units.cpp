#include "worker/sample/measure_units.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>

#include "shared/link/interrupt.h"
#include "worker/losses/log_probs.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

int64_t largest(const std::vector<double>& values) {
  return static_cast<int64_t>(*std::max_element(values.begin(), values.end()));
}

/// The callback that takes the answers of unit `index`.
TakeAnswer taker_of(const UnitsTogether& together, size_t index) {
  if (!together.take) return nullptr;
  return [&together, index](size_t prompt, GivenAnswer answer) {
    together.take(index, prompt, std::move(answer));
  };
}

/// Grows some units of this rank, a depth at a time, in step with the other ranks.
class SideBySide {
 public:
  /// For the units [first, last).
  SideBySide(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units, size_t first,
             size_t last, const UnitsTogether& together, Collectives& ranks)
      : tools_(tools), ranks_(ranks), first_(first), stops_(together.stops) {
    for (size_t index = first; index < last; ++index) {
      trees_.push_back(std::make_unique<AnswerTree>(tools, units[index], taker_of(together, index)));
    }
  }

  void grow(const std::function<void(size_t index, UnitResult result)>& done) {
    while (true) {
      std::vector<AnswerTree*> growing;
      for (const auto& tree : trees_) {
        if (tree && tree->grows()) growing.push_back(tree.get());
      }
      if (largest(ranks_.all_gather({static_cast<double>(growing.size())})) == 0) return;
      if (stops_ && largest(ranks_.all_gather({stops_() ? 1.0 : 0.0})) != 0) throw TaskPaused(0, 0);
      evaluate(growing);
      follow(growing);
      for (size_t index = 0; index < trees_.size(); ++index) {
        if (!trees_[index] || trees_[index]->grows()) continue;
        done(first_ + index, trees_[index]->result());
        trees_[index].reset();
      }
    }
  }

 private:
  void evaluate(const std::vector<AnswerTree*>& growing) const {
    const auto count = static_cast<int>(growing.size());
    std::vector<TokenRows> rows;
    std::vector<at::Tensor> ids_T;
    for (AnswerTree* tree : growing) {
      rows.push_back(tree->next_rows());
      ids_T.push_back(rows.back().ids_T);
    }
    std::vector<at::Tensor> x_TC = tools_.model.vocabulary().embed(ids_T);
    tools_.model.blocks().walk(Direction::forward, count, [&](int64_t layer, int item) {
      const auto i = static_cast<size_t>(item);
      x_TC[i] = tools_.model.block(layer, x_TC[i], rows[i], tools_.adapter, &growing[i]->cache(),
                                   growing[i]->first_slot());
    });
    for (size_t i = 0; i < growing.size(); ++i) growing[i]->take_hidden(tools_.model.final_norm(x_TC[i]));
  }

  /// Computes the logits of a few pieces at a time, for as many turns as the rank with the most pieces needs.
  void follow(const std::vector<AnswerTree*>& growing) const {
    std::vector<std::pair<AnswerTree*, int>> pieces;
    for (AnswerTree* tree : growing) {
      for (int index = 0; index < tree->pieces(); ++index) pieces.emplace_back(tree, index);
    }
    const auto at_once = static_cast<size_t>(lanes_on(tools_.model.device(), at::get_num_threads()));
    const auto turns = (pieces.size() + at_once - 1) / at_once;
    const int64_t all_turns = largest(ranks_.all_gather({static_cast<double>(turns)}));
    for (int64_t turn = 0; turn < all_turns; ++turn) {
      const size_t first = std::min(pieces.size(), static_cast<size_t>(turn) * at_once);
      const size_t last = std::min(pieces.size(), first + at_once);
      std::vector<at::Tensor> hidden_RC;
      for (size_t p = first; p < last; ++p) hidden_RC.push_back(pieces[p].first->piece(pieces[p].second));
      const auto logits_RV = tools_.model.vocabulary().logits(hidden_RC);
      for (size_t p = first; p < last; ++p) {
        pieces[p].first->take_logits(pieces[p].second, logits_RV[p - first]);
      }
    }
    for (AnswerTree* tree : growing) tree->finish_depth();
  }

  const MeasureTools& tools_;
  Collectives& ranks_;
  size_t first_;
  const StopAsked& stops_;
  std::vector<std::unique_ptr<AnswerTree>> trees_;
};

}  // namespace

UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts, TakeAnswer take,
                        const StopAsked& stops) {
  const at::NoGradGuard no_gradient;
  AnswerTree tree(tools, prompts, std::move(take));
  while (tree.grows()) {
    if (stops && stops()) throw TaskPaused(0, 0);
    const TokenRows rows = tree.next_rows();
    tree.take_hidden(tools.model.hidden(rows, tools.adapter, &tree.cache(), tree.first_slot()));
    for (int index = 0; index < tree.pieces(); ++index) {
      tree.take_logits(index, logits_of(tools.model, tree.piece(index)));
    }
    tree.finish_depth();
  }
  return tree.result();
}

double largest_unit_bytes(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units) {
  double most = 0;
  for (const auto& unit : units) most = std::max(most, unit_bytes(tools, unit));
  return most;
}

int units_at_once(double unit_bytes, double memory_bytes) {
  const double fit =
      std::min(memory_bytes / std::max(1.0, unit_bytes), double{std::numeric_limits<int>::max()});
  return std::max(1, static_cast<int>(fit));
}

void measure_units(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                   Collectives& ranks, const std::function<void(size_t index, UnitResult result)>& done,
                   const UnitsTogether& together) {
  const at::NoGradGuard no_gradient;
  const int at_once = units_at_once(largest_unit_bytes(tools, units), together.memory_bytes);
  if (!tools.model.is_whole()) {
    const auto step = static_cast<size_t>(at_once);
    const size_t own_turns = (units.size() + step - 1) / step;
    const int64_t turns = largest(ranks.all_gather({static_cast<double>(own_turns)}));
    for (int64_t turn = 0; turn < turns; ++turn) {
      const size_t first = std::min(units.size(), static_cast<size_t>(turn) * step);
      const size_t last = std::min(units.size(), first + step);
      SideBySide(tools, units, first, last, together, ranks).grow(done);
    }
    return;
  }
  std::mutex one_at_a_time;
  run_lanes(
      static_cast<int>(units.size()), tools.model.device(),
      [&](int lane_index) {
        const auto index = static_cast<size_t>(lane_index);
        UnitResult result = measure_unit(tools, units[index], taker_of(together, index), together.stops);
        const std::lock_guard lock(one_at_a_time);
        done(index, std::move(result));
      },
      at_once);
}

}  // namespace apportion
