#include "coordinator/report/data/pivot.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The values of a key, each with its place in their order.
std::map<std::string, size_t> ranks_of(const std::string& key, const std::vector<const CellFigures*>& cells) {
  const std::vector<std::string> values = values_in_order(key, cells);
  std::map<std::string, size_t> ranks;
  for (size_t i = 0; i < values.size(); ++i) ranks[values[i]] = i;
  return ranks;
}

void check_keys(const std::vector<std::string>& keys, const std::vector<CellFigures>& cells,
                const std::string& directory) {
  const std::vector<std::string> known = swept_keys(cells);
  if (known.empty())
    throw UserError(fmt::format("{} has no cell of a sweep; --by needs one (docs/sweeps.md)", directory));
  for (const std::string& key : keys) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw UserError(fmt::format("no cell of {} has swept '{}'; did you mean '{}'? --by takes {}", directory,
                                printable(key), nearest_word(key, known), join(known, ", ")));
  }
}

bool has_all(const CellFigures& cell, const std::vector<std::string>& keys) {
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return swept_value(cell.swept, key).has_value(); });
}

std::optional<PivotFigure> over(const std::vector<const CellFigures*>& cells, const FigureColumn& column) {
  PivotFigure figure;
  figure.low = std::numeric_limits<double>::infinity();
  figure.high = -figure.low;
  for (const CellFigures* cell : cells) {
    const std::optional<double>& value = cell->*column.value;
    if (!value) continue;
    ++figure.cells;
    figure.mean += *value;
    figure.low = std::min(figure.low, *value);
    figure.high = std::max(figure.high, *value);
  }
  if (figure.cells == 0) return std::nullopt;
  figure.mean /= static_cast<double>(figure.cells);
  return figure;
}

PivotRow row_of(const std::vector<std::string>& keys, const std::vector<const CellFigures*>& cells) {
  PivotRow row{cells.front()->job, cells.front()->test_set, {}, cells.size(), {}};
  for (const std::string& key : keys) row.values.push_back(*swept_value(cells.front()->swept, key));
  for (const FigureColumn& column : figure_columns()) row.figures.push_back(over(cells, column));
  return row;
}

}  // namespace

std::vector<std::string> values_in_order(const std::string& key,
                                         const std::vector<const CellFigures*>& cells) {
  constexpr uint64_t nowhere = std::numeric_limits<uint64_t>::max();
  std::map<std::string, uint64_t> first;  // place of the first cell that has the value
  bool numbers = true, placed = true;
  double number = 0;
  for (const CellFigures* cell : cells) {
    const std::optional<std::string> value = swept_value(cell->swept, key);
    if (!value) continue;
    numbers = numbers && parse_number(*value, number);
    placed = placed && cell->place;
    uint64_t& place = first.try_emplace(*value, nowhere).first->second;
    place = std::min(place, cell->place.value_or(nowhere));
  }
  std::vector<std::string> values;
  for (const auto& [value, place] : first) values.push_back(value);
  auto number_of = [](const std::string& value) {
    double found = 0;
    parse_number(value, found);
    return found;
  };
  std::stable_sort(values.begin(), values.end(), [&](const std::string& a, const std::string& b) {
    if (numbers) return number_of(a) < number_of(b);
    return placed ? first[a] < first[b] : natural_order(a, b);
  });
  return values;
}

bool natural_order(const std::string& a, const std::string& b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!is_digit(a[i]) || !is_digit(b[j])) {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
      continue;
    }
    // Compares runs of digits without leading zeros: the longer one is the larger number.
    auto run = [](const std::string& text, size_t& at) {
      while (at < text.size() && text[at] == '0') ++at;
      const size_t begin = at;
      while (at < text.size() && is_digit(text[at])) ++at;
      return text.substr(begin, at - begin);
    };
    const std::string x = run(a, i), y = run(b, j);
    if (x != y) return x.size() != y.size() ? x.size() < y.size() : x < y;
  }
  if (i < a.size() || j < b.size()) return i == a.size();
  return a < b;  // 01 and 1
}

Pivot pivot_by(const std::vector<std::string>& keys, const std::vector<CellFigures>& cells,
               const std::string& directory) {
  check_keys(keys, cells, directory);
  Pivot pivot{keys, {}, 0, {}};
  std::vector<const CellFigures*> taken;
  for (const CellFigures& cell : cells) {
    if (has_all(cell, keys)) taken.push_back(&cell);
  }
  if (taken.empty())
    throw UserError(fmt::format("no cell of {} has swept all of {}; --by takes keys that were swept together",
                                directory, join(keys, ", ")));
  pivot.left_out = cells.size() - taken.size();
  std::vector<std::map<std::string, size_t>> ranks;
  for (const std::string& key : keys) ranks.push_back(ranks_of(key, taken));
  using Place = std::tuple<std::string, std::vector<size_t>, std::string>;
  std::map<Place, std::vector<const CellFigures*>> groups;
  for (const CellFigures* cell : taken) {
    std::vector<size_t> place;
    for (size_t i = 0; i < keys.size(); ++i) place.push_back(ranks[i].at(*swept_value(cell->swept, keys[i])));
    groups[{cell->job, place, cell->test_set}].push_back(cell);
    if (!cell->readable) pivot.missing.push_back(cell->name);
  }
  for (const auto& [place, group] : groups) pivot.rows.push_back(row_of(keys, group));
  return pivot;
}

}  // namespace apportion
