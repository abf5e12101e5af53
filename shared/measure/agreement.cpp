#include "shared/measure/agreement.h"

#include <vector>

#include "shared/measure/category.h"

namespace apportion {
namespace {

/// Rounds by the two judges' verdicts, [K + 1] each: the categories, then none.
struct Verdicts {
  explicit Verdicts(int categories)
      : size(static_cast<size_t>(categories) + 1), one(size, 0), other(size, 0) {}

  void add(int first, int second, double rounds) {
    if (first < unparsed || second < unparsed) return;
    const size_t a = first == unparsed ? size - 1 : static_cast<size_t>(first);
    const size_t b = second == unparsed ? size - 1 : static_cast<size_t>(second);
    one[a] += rounds;
    other[b] += rounds;
    all += rounds;
    same += a == b ? rounds : 0;
  }

  size_t size;
  std::vector<double> one, other;
  double all = 0, same = 0;
};

/// Whether both have the same answers, one by one.
bool are_same(const PromptResult& one, const PromptResult& other) {
  if (one.answers.size() != other.answers.size()) return false;
  for (size_t i = 0; i < one.answers.size(); ++i) {
    const AnswerCount &a = one.answers[i], &b = other.answers[i];
    if (a.text != b.text || a.count != b.count) return false;
  }
  return true;
}

}  // namespace

std::optional<Agreement> agreement_of(const MeasureResult& one, const MeasureResult& other) {
  if (one.categories != other.categories || one.prompts.size() != other.prompts.size()) return std::nullopt;
  Verdicts verdicts(one.categories);
  for (size_t p = 0; p < one.prompts.size(); ++p) {
    const PromptResult &a = one.prompts[p], &b = other.prompts[p];
    if (!are_same(a, b)) return std::nullopt;
    for (size_t i = 0; i < a.answers.size(); ++i) {
      verdicts.add(a.answers[i].category, b.answers[i].category, static_cast<double>(a.answers[i].count));
    }
  }
  if (verdicts.all == 0) return std::nullopt;
  Agreement agreement{static_cast<uint64_t>(verdicts.all), verdicts.same / verdicts.all, std::nullopt};
  double chance = 0;
  for (size_t j = 0; j < verdicts.size; ++j) {
    chance += verdicts.one[j] / verdicts.all * (verdicts.other[j] / verdicts.all);
  }
  constexpr double certain = 1e-12;  // what rounding leaves
  if (1 - chance > certain) agreement.kappa = (agreement.share - chance) / (1 - chance);
  return agreement;
}

}  // namespace apportion
