#include "coordinator/report/view/provenance_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "coordinator/report/view/cell_tables.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

using Entry = TableView::Entry;

struct TaskOfCell {
  std::string name;
  const TaskRecord* record;
  const TrainFile* training;  // nullptr: not a training task
};

std::vector<TaskOfCell> tasks_of(const CellView& view) {
  std::vector<TaskOfCell> tasks;
  for (const TrainView& training : view.training)
    tasks.push_back({training.file.record.task.label, &training.file.record, &training.file});
  for (const MeasureView& measure : view.measures)
    tasks.push_back({measure_name(measure), &measure.file.record, nullptr});
  if (view.retention) tasks.push_back({"what must not change", &view.retention->record, nullptr});
  return tasks;
}

std::string about_of(const TaskRecord& record, const std::string& key) {
  for (const auto& [name, value] : record.about) {
    if (name == key) return value;
  }
  return "";
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  return parse_number(text, value) ? std::optional(value) : std::nullopt;
}

/// The sum of a list: 4 for "2,2".
std::optional<double> sum_of_list(const std::string& text) {
  std::istringstream stream(text);
  std::optional<double> sum;
  for (std::string part; std::getline(stream, part, ',');) {
    const std::optional<double> one = number_of(part);
    if (!one) return std::nullopt;
    sum = sum.value_or(0) + *one;
  }
  return sum;
}

Entry rounded(const std::optional<double>& value, int decimals) {
  return value ? number_entry(*value, decimals) : Entry{not_known};
}

std::string or_unknown(const std::string& text) { return text.empty() ? not_known : text; }

/// What a task took, or all together.
struct Cost {
  std::optional<double> seconds, tokens, core_hours;

  void add(const Cost& other) {
    for (std::optional<double> Cost::*part : {&Cost::seconds, &Cost::tokens, &Cost::core_hours}) {
      if (other.*part) this->*part = (this->*part).value_or(0) + *(other.*part);
    }
  }
};

Cost cost_of(const TaskOfCell& task) {
  Cost cost;
  cost.seconds = number_of(about_of(*task.record, "seconds"));
  if (task.training) {
    const std::vector<double>& tokens = task.training->log.tokens;
    cost.tokens = std::accumulate(tokens.begin(), tokens.end(), 0.0);
  }
  const std::optional<double> threads = sum_of_list(about_of(*task.record, "threads_by_rank"));
  if (cost.seconds && threads) cost.core_hours = *cost.seconds * *threads / 3600;
  return cost;
}

std::vector<Entry> cost_row(const std::string& name, const Cost& cost) {
  return {{name}, rounded(cost.seconds, 1), rounded(cost.tokens, 0), rounded(cost.core_hours, 4)};
}

const TaskRecord* last_record(const CellView& view) {
  const std::vector<TaskOfCell> tasks = tasks_of(view);
  const TaskRecord* last = nullptr;
  for (const TaskOfCell& task : tasks) {
    if (!task.record->config.empty() && (!last || task.name.starts_with("after"))) last = task.record;
  }
  return last;
}

}  // namespace

TableView cost_table(const CellView& view) {
  TableView table{{{"task", Align::left},
                   {"seconds", Align::right, "from being given out to being done"},
                   {"tokens", Align::right, "distinct tokens trained on"},
                   {"core-hours", Align::right, "seconds times the threads of all its ranks"},
                   {"threads", Align::left, "of each rank"},
                   {"computed in", Align::left},
                   {"host", Align::left},
                   {"program", Align::left}},
                  {}};
  Cost all;
  for (const TaskOfCell& task : tasks_of(view)) {
    const Cost cost = cost_of(task);
    all.add(cost);
    std::vector<Entry>& row = table.rows.emplace_back(cost_row(task.name, cost));
    for (const char* key : {"threads_by_rank", "compute_type", "host"})
      row.push_back({or_unknown(about_of(*task.record, key))});
    const std::string commit = about_of(*task.record, "git_commit");
    row.push_back({or_unknown(about_of(*task.record, "program") + (commit.empty() ? "" : " " + commit))});
  }
  std::vector<Entry>& sum = table.rows.emplace_back(cost_row("all", all));
  sum.resize(table.columns.size());
  return table;
}

TableView digest_table(const CellView& view) {
  TableView table{{{"task", Align::left},
                   {"result", Align::left,
                    "in the results folder; its name is the SHA-256 of everything that it depends on"},
                   {"SHA-256 of what was trained", Align::left}},
                  {}};
  for (const TaskOfCell& task : tasks_of(view)) {
    const std::string& id = task.record->task.id;
    table.rows.push_back({{task.name},
                          {"tasks/" + id + "/result.h5"},
                          {task.training ? task.training->adapter_digest : not_known}});
  }
  return table;
}

std::string job_file_of(const CellView& view) {
  const TaskRecord* record = last_record(view);
  if (!record) return "";
  std::string text;
  for (const auto& [key, value] : record->config) {
    const Option* option = find_option(key);
    if (option && value != option->default_value && key != "output") text += key + " = " + value + "\n";
  }
  return text;
}

TableView configuration_table(const CellView& view) {
  TableView table{{{"key", Align::left}, {"value", Align::left}}, {}};
  if (const TaskRecord* record = last_record(view)) {
    for (const auto& [key, value] : record->config) table.rows.push_back({{key}, {value}});
  }
  return table;
}

}  // namespace apportion
