#include "coordinator/report/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "coordinator/report/style.h"
#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/config/option.h"
#include "shared/config/sweep.h"

namespace apportion {
namespace {

/// What a condition looks at: its name for people, and over whom it is a mean.
struct Judged {
  std::string name;
  std::optional<double> value;
  bool of_test_set = false;
  int with = 0, subjects = 0;  // for these: of the subjects with a target, how many have it
};

struct Metric {
  const char* name;
  Judged (*find)(const CellFigures& cell);
};

Judged exact_of(const CellFigures& cell) {
  return {"exact error", cell.exact_error, true, cell.with_exact, cell.subjects};
}

Judged mae_of(const CellFigures& cell) { return {"MAE", cell.mae, true, cell.with_mae, cell.subjects}; }

bool is_whole(const Judged& judged) { return judged.value && judged.with == judged.subjects; }

/// The exact error if all subjects have one; else the MAE if all have one; else whichever there is, the exact
/// error first.
Judged error_of(const CellFigures& cell) {
  const Judged exact = exact_of(cell), mae = mae_of(cell);
  if (!exact.value && !mae.value) return {"exact error and no MAE", {}, true};
  return !is_whole(exact) && (is_whole(mae) || !exact.value) ? mae : exact;
}

const std::array<Metric, 6> metrics = {
    {{"error", error_of},
     {"worst",
      [](const CellFigures& cell) {
        return Judged{"worst exact error", cell.worst, true, cell.with_exact, cell.subjects};
      }},
     {"mae", mae_of},
     {"leak",
      [](const CellFigures& cell) {
        return Judged{"leak added", cell.leak};
      }},
     {"kl",
      [](const CellFigures& cell) {
        return Judged{"KL a token", cell.kl};
      }},
     {"perplexity", [](const CellFigures& cell) {
        return Judged{"perplexity, times that before", cell.perplexity};
      }}}};

// The longer ones first: ">" begins ">=".
constexpr std::array<std::pair<std::string_view, Comparison>, 4> operators = {{{">=", Comparison::at_least},
                                                                               {"<=", Comparison::at_most},
                                                                               {">", Comparison::above},
                                                                               {"<", Comparison::below}}};

bool holds(double value, Comparison comparison, double limit) {
  switch (comparison) {
    case Comparison::above:
      return value > limit;
    case Comparison::at_least:
      return value >= limit;
    case Comparison::below:
      return value < limit;
    case Comparison::at_most:
      return value <= limit;
  }
  return false;
}

[[noreturn]] void fail(const std::string& text, const std::string& message) {
  throw UserError(fmt::format("{}: --fail-if '{}': {}", command_line_source, printable(text), message));
}

/// One cell under one condition; empty when it passes.
std::string failure_of(const GateCondition& condition, const CellFigures& cell) {
  const auto metric = std::find_if(metrics.begin(), metrics.end(),
                                   [&](const Metric& one) { return one.name == condition.metric; });
  ensure(metric != metrics.end(), "a condition is of a known metric");
  const Judged judged = metric->find(cell);
  const std::string start =
      fmt::format("{}: --fail-if '{}': ", printable(Style{}, cell.job + "/" + cell.name), condition.text);
  const std::string of =
      cell.test_set.empty() || !judged.of_test_set ? "" : fmt::format(" ({}, {})", cell.when, cell.test_set);
  if (!judged.value) return start + "there is no " + judged.name + of;
  if (judged.with < judged.subjects)
    return start + fmt::format("the {}{} is known for only {} of {} subjects", judged.name, of, judged.with,
                               judged.subjects);
  if (!holds(*judged.value, condition.comparison, condition.limit)) return "";
  return start + fmt::format("the {}{} is {:.6g}, the limit {}", judged.name, of, *judged.value,
                             print_number(condition.limit));
}

}  // namespace

std::vector<std::string> gate_metrics() {
  std::vector<std::string> names;
  for (const Metric& metric : metrics) names.emplace_back(metric.name);
  return names;
}

GateCondition parse_condition(const std::string& text) {
  const size_t at = text.find_first_of("<>=!");
  const std::string name = trim(text.substr(0, at));
  const std::vector<std::string> known = gate_metrics();
  const std::string form = fmt::format(
      "write METRIC OPERATOR NUMBER, as in 'error > 0.02', with one of {} and one of >, >=, <, <=",
      join(known, ", "));
  if (at == std::string::npos || name.empty()) fail(text, "this is not a condition; " + form);
  if (std::find(known.begin(), known.end(), name) == known.end())
    fail(text, fmt::format("there is no metric '{}'; did you mean '{}'? There are {}", printable(name),
                           nearest_word(name, known), join(known, ", ")));
  GateCondition condition{name, Comparison::above, 0, trim(text)};
  const std::string rest = text.substr(at);
  for (const auto& [sign, comparison] : operators) {
    if (!rest.starts_with(sign)) continue;
    const std::string number = trim(rest.substr(sign.size()));
    if (!parse_number(number, condition.limit))
      fail(text, fmt::format("'{}' is not a number; {}", printable(number), form));
    condition.comparison = comparison;
    return condition;
  }
  fail(text, "the operator must be >, >=, < or <=; " + form);
}

std::vector<std::string> failures_of(const std::vector<GateCondition>& conditions,
                                     const std::vector<CellFigures>& cells) {
  std::vector<std::string> failures;
  for (const CellFigures& cell : cells) {
    for (const GateCondition& condition : conditions) {
      std::string failure = failure_of(condition, cell);
      if (!failure.empty()) failures.push_back(std::move(failure));
    }
  }
  return failures;
}

}  // namespace apportion
