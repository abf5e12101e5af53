// Turns the lines of [sweep] into cells; see sweep.h.
#include "shared/config/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "shared/base/error.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

/// A swept key with its values; zipped keys share one axis.
struct Axis {
  std::vector<std::string> keys, sources;
  std::vector<std::vector<std::string>> values;  // of each key, all of the same length
  size_t length() const { return values.front().size(); }
};

[[noreturn]] void fail(const std::string& source, const std::string& message) {
  throw UserError(source + ": " + message);
}

/// A plain decimal number and how many digits it has after the point.
struct Decimal {
  double value = 0;
  int digits = 0;
};

std::optional<Decimal> parse_decimal(const std::string& text) {
  Decimal decimal;
  if (!parse_number(text, decimal.value) || text.find_first_of("eE") != std::string::npos) return {};
  const size_t point = text.find('.');
  if (point != std::string::npos) decimal.digits = static_cast<int>(text.size() - point - 1);
  return decimal;
}

/// The values of `a..b` and `a..b step c`, written with as many decimals as the longest of these numbers.
std::vector<std::string> range_values(const Setting& line, const std::string& item) {
  constexpr std::string_view dots = "..", step_word = " step ";
  const size_t dots_at = item.find(dots), step_at = std::min(item.find(step_word), item.size());
  const size_t last_at = std::min(dots_at + dots.size(), step_at);
  const auto first = parse_decimal(trim(item.substr(0, dots_at))),
             last = parse_decimal(trim(item.substr(last_at, step_at - last_at))),
             step = step_at == item.size() ? Decimal{1, 0}
                                           : parse_decimal(trim(item.substr(step_at + step_word.size())));
  if (!first || !last || !step)
    fail(line.source, fmt::format("'{}' is not a range; write a..b, or a..b step c, of plain numbers such as "
                                  "0..4 or 0.1..0.5 step 0.1",
                                  printable(item)));
  if (step->value <= 0 || last->value < first->value)
    fail(line.source, fmt::format("the range '{}' is empty; the second number is at least the first, and the "
                                  "step above 0",
                                  printable(item)));
  constexpr double rounding = 1e-9;  // for a quotient of decimals
  const double count = std::floor((last->value - first->value) / step->value + rounding) + 1;
  if (count > static_cast<double>(most_cells))
    fail(line.source, fmt::format("the range '{}' has more than {} values", printable(item), most_cells));
  const int digits = std::max({first->digits, last->digits, step->digits});
  std::vector<std::string> values;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    values.push_back(fmt::format("{:.{}f}", first->value + static_cast<double>(i) * step->value, digits));
  return values;
}

/// The values of `N steps from A to B` for the key target; none for other text.
std::vector<std::string> step_values(const Setting& line, const std::string& item) {
  const size_t steps_at = item.find(" steps from ");
  if (line.key != "target" || steps_at == std::string::npos) return {};
  const std::string ends = trim(item.substr(steps_at + 12));
  uint64_t steps = 0;
  const bool forward = ends == "real to even";
  if (!parse_integer(trim(item.substr(0, steps_at)), steps) || steps < 2 || steps > most_cells ||
      (!forward && ends != "even to real"))
    fail(line.source,
         fmt::format("'{}' must read 'N steps from real to even' or 'N steps from even to real', "
                     "with N from 2 to {}",
                     printable(item), most_cells));
  std::vector<std::string> values;
  for (uint64_t i = 0; i < steps; ++i) {
    const uint64_t share = forward ? i : steps - 1 - i;
    values.push_back(share == 0           ? "real"
                     : share == steps - 1 ? "even"
                                          : fmt::format("mix {:.6g}", static_cast<double>(share) /
                                                                          static_cast<double>(steps - 1)));
  }
  return values;
}

/// The items between commas; a shape's own description (model = shape:layers=1,width=64) stays in one piece.
std::vector<std::string> items_of(const Setting& line) {
  std::vector<std::string> items;
  for (const std::string& word : split_list(line.value)) {
    const bool goes_on = line.key == "model" && !items.empty() && items.back().starts_with("shape:") &&
                         !word.starts_with("shape:") && word.find('=') != std::string::npos;
    if (goes_on) {
      items.back() += "," + word;
    } else {
      items.push_back(word);
    }
  }
  return items;
}

/// The value as a resolved job has it, so that 1 and 1.0 count as the same; text that is not allowed stays as
/// it is.
std::string canonical(const std::string& key, const std::string& value) {
  RunConfig config;
  const Option* option = find_option(key);
  return option->assign(config, value) ? option->print(config) : value;
}

/// The values of a line. What a range or steps repeat counts once; a value written twice is a mistake.
std::vector<std::string> values_of(const Setting& line) {
  std::vector<std::string> values;
  std::set<std::string> seen, written;
  for (const std::string& item : items_of(line)) {
    std::vector<std::string> expanded = step_values(line, item);
    const bool number = find_option(line.key)->form == OptionForm::number;
    if (number && item.find("..") != std::string::npos) expanded = range_values(line, item);
    if (item.empty()) fail(line.source, "an empty value; lists have values separated by commas");
    if (expanded.empty()) {
      if (!written.insert(canonical(line.key, item)).second)
        fail(line.source,
             fmt::format("the value '{}' appears twice, and two cells would be the same; keep one",
                         printable(item)));
      expanded = {item};
    }
    for (std::string& value : expanded) {
      if (seen.insert(canonical(line.key, value)).second) values.push_back(std::move(value));
    }
  }
  return values;
}

/// Keys that change results although no identity holds their text: it holds what is read from what they name.
bool is_read_by_content(const std::string& key) {
  static const std::set<std::string> keys = {"dataset", "model",      "target",   "method",
                                             "preset",  "keep_train", "keep_test"};
  return keys.contains(key);
}

void check_key(const Setting& line) {
  const Option* option = find_option(line.key);
  if (!option)
    fail(line.source, fmt::format("unknown key '{}' in [sweep]; did you mean '{}'?", printable(line.key),
                                  nearest_key(line.key)));
  if (option->form == OptionForm::list)
    fail(
        line.source,
        fmt::format("'{}' is a list already and cannot be swept; give each list a job of its own", line.key));
  if (option->identity == Identity::no && !is_read_by_content(line.key))
    fail(line.source, fmt::format("'{}' cannot be swept; set it above [sweep]", line.key));
}

std::vector<Axis>::iterator axis_of(std::vector<Axis>& axes, const std::string& key) {
  return std::find_if(axes.begin(), axes.end(), [&](const Axis& axis) {
    return std::find(axis.keys.begin(), axis.keys.end(), key) != axis.keys.end();
  });
}

/// Puts the keys of a line `zip = key, key` on one axis, at the place of the first.
void zip(const Setting& line, std::vector<Axis>& axes) {
  const std::vector<std::string> keys = split_list(line.value);
  if (keys.size() < 2) fail(line.source, "zip needs two or more keys, separated by commas");
  for (const std::string& key : keys) {
    const auto axis = axis_of(axes, key);
    if (axis == axes.end())
      fail(line.source, fmt::format("zip names '{}', which is not swept above it", printable(key)));
    if (axis->keys.size() > 1) fail(line.source, fmt::format("'{}' is zipped twice", key));
  }
  for (size_t k = 1; k < keys.size(); ++k) {
    const auto from = axis_of(axes, keys[k]), target = axis_of(axes, keys.front());
    if (from == target) fail(line.source, fmt::format("zip names '{}' twice", keys[k]));
    if (from->length() != target->length())
      fail(line.source, fmt::format("zip pairs lists of equal length, but {} has {} values and {} has {}",
                                    keys.front(), target->length(), keys[k], from->length()));
    target->keys.push_back(from->keys.front());
    target->sources.push_back(from->sources.front());
    target->values.push_back(from->values.front());
    axes.erase(from);
  }
}

using Condition = std::vector<std::pair<std::string, std::string>>;  // key, value

/// The line's condition; nothing when the command line replaced the values of a key that the line names.
std::optional<Condition> condition_of(const Setting& line, std::vector<Axis>& axes) {
  Condition condition;
  for (const std::string& part : split_list(line.value)) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos)
      fail(line.source, fmt::format("'{}' must read key = value", printable(part)));
    const std::string key = trim(part.substr(0, equals)), value = trim(part.substr(equals + 1));
    const auto axis = axis_of(axes, key);
    if (axis == axes.end())
      fail(line.source, fmt::format("exclude names '{}', which is not swept", printable(key)));
    const auto place = std::find(axis->keys.begin(), axis->keys.end(), key) - axis->keys.begin();
    const std::vector<std::string>& values = axis->values[static_cast<size_t>(place)];
    const std::string& source = axis->sources[static_cast<size_t>(place)];
    if (source == command_line_source && line.source != command_line_source) return {};
    if (std::find(values.begin(), values.end(), value) == values.end())
      fail(line.source, fmt::format("no cell has {} = {}; its values are {}", key, printable(value),
                                    printable(join(values, ", "))));
    condition.emplace_back(key, value);
  }
  return condition;
}

bool meets(const SweepCell& cell, const Condition& condition) {
  return std::all_of(condition.begin(), condition.end(), [&](const auto& wanted) {
    return std::any_of(cell.settings.begin(), cell.settings.end(), [&](const Setting& setting) {
      return setting.key == wanted.first && setting.value == wanted.second;
    });
  });
}

SweepCell cell_at(const std::vector<Axis>& axes, size_t number) {
  std::vector<size_t> place(axes.size());
  for (size_t a = axes.size(); a-- > 0;) {
    place[a] = number % axes[a].length();
    number /= axes[a].length();
  }
  SweepCell cell;
  for (size_t a = 0; a < axes.size(); ++a) {
    for (size_t k = 0; k < axes[a].keys.size(); ++k) {
      const std::string& value = axes[a].values[k][place[a]];
      cell.settings.push_back({axes[a].keys[k], value, axes[a].sources[k]});
      cell.name += (cell.name.empty() ? "" : ", ") + axes[a].keys[k] + "=" + value;
    }
  }
  return cell;
}

/// An `exclude` line.
struct Exclusion {
  Condition condition;
  std::string source;
  bool met = false;
};

/// The `cells` of the axes' product except those that an exclusion meets; each exclusion must meet one.
std::vector<SweepCell> without_excluded(const std::vector<Axis>& axes, size_t cells,
                                        std::vector<Exclusion>& excluded) {
  std::vector<SweepCell> kept;
  for (size_t number = 0; number < cells; ++number) {
    SweepCell cell = cell_at(axes, number);
    bool left_out = false;
    for (Exclusion& exclusion : excluded) {
      if (meets(cell, exclusion.condition)) exclusion.met = left_out = true;
    }
    if (!left_out) kept.push_back(std::move(cell));
  }
  for (const Exclusion& exclusion : excluded) {
    if (!exclusion.met) fail(exclusion.source, "exclude matches no cell of the sweep");
  }
  if (kept.empty()) fail(excluded.back().source, "exclude leaves no cell");
  return kept;
}

}  // namespace

std::vector<SweepCell> sweep_cells(const std::vector<Setting>& lines) {
  std::vector<Axis> axes;
  std::vector<Exclusion> excluded;
  for (const Setting& line : lines) {
    if (line.key == "zip" || line.key == "exclude") continue;
    check_key(line);
    if (axis_of(axes, line.key) != axes.end())
      fail(line.source, fmt::format("'{}' is already swept; keep one of the two", line.key));
    axes.push_back({{line.key}, {line.source}, {values_of(line)}});
  }
  for (const Setting& line : lines) {
    if (line.key == "zip") zip(line, axes);
    if (line.key != "exclude") continue;
    if (auto condition = condition_of(line, axes)) excluded.push_back({std::move(*condition), line.source});
  }
  if (axes.empty()) return {};
  size_t cells = 1;
  for (const Axis& axis : axes) {
    cells *= axis.length();
    if (cells > most_cells)
      fail(axis.sources.front(), fmt::format("the sweep has more than {} cells", most_cells));
  }
  return without_excluded(axes, cells, excluded);
}

std::vector<JobCell> job_cells(const std::vector<Setting>& settings, const std::vector<SweepCell>& sweep) {
  std::vector<JobCell> cells;
  if (sweep.empty()) cells.push_back({"", {}, make_run_config(settings)});
  CellConfigs configs(settings);
  for (const SweepCell& cell : sweep) {
    JobCell job{cell.name, {}, configs.config_of(cell.settings)};
    for (const Setting& setting : cell.settings) job.swept.emplace_back(setting.key, setting.value);
    cells.push_back(std::move(job));
  }
  return cells;
}

}  // namespace apportion
