#include "coordinator/report/data/report_data.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "shared/base/error.h"
#include "shared/config/method.h"

namespace apportion {
namespace {

std::string config_value(const TaskRecord& record, const std::string& key) {
  for (const auto& [name, value] : record.config) {
    if (name == key) return value;
  }
  return "";
}

void take_names(const TaskRecord& record, CellView& view) {
  view.dataset = config_value(record, "dataset");
  view.method = config_value(record, "method");
  view.model = config_value(record, "model");
  view.target = config_value(record, "target");
  if (view.target.empty()) view.target = "real";  // for a file older than the key
}

// Calls `load`; if a file cannot be read, keeps the message as a problem.
template <typename Load>
void attempt(CellView& view, const std::string& what, Load load) {
  try {
    load();
  } catch (const DataError& error) {
    view.problems.push_back(what + ": " + error.what());
  } catch (const UserError& error) {
    view.problems.push_back(what + ": " + error.what());
  }
}

bool is_known(const std::vector<std::vector<double>>& target) {
  return std::any_of(target.begin(), target.end(),
                     [](const auto& row) { return !row.empty() && !std::isnan(row.front()); });
}

/// Gives the cell's target to a result that has none of its own.
void bring_target(const Cell& cell, MeasureView& measure) {
  MeasureTables& tables = measure.file.tables;
  const auto own = cell.about.targets.find(measure.test_set);
  if (is_known(tables.target) || own == cell.about.targets.end()) return;
  const bool fits = own->second.size() == tables.subjects.size() &&
                    (own->second.empty() || own->second.front().size() == tables.categories.size());
  if (fits) tables.target = own->second;
}

/// If the index was lost, takes the cell's target from its trained model's results.
void bring_targets_of_trained(CellView& view) {
  for (MeasureView& measure : view.measures) {
    const MeasureView* after = view.measure("after", measure.test_set);
    if (!after || is_known(measure.file.tables.target)) continue;
    if (after->file.tables.subjects != measure.file.tables.subjects) continue;
    measure.file.tables.target = after->file.tables.target;
    measure.metrics = metrics_of(measure.file);
  }
}

/// Adds the view of a measure or judge task's result, read by `read`.
void add_measure(const std::string& directory, const MeasureName& name,
                 MeasureFile (*read)(const std::string& path), CellView& view) {
  attempt(view, name.text(), [&] {
    MeasureView measure{name.when, name.test_set, name.judge, read(result_path(directory, name.task)), {}};
    bring_target(view.cell, measure);
    measure.metrics = metrics_of(measure.file);
    view.measures.push_back(std::move(measure));
  });
}

/// Adds what training changed, read by `read`.
void add_retention(const std::string& directory, RetentionFile (*read)(const std::string& path),
                   CellView& view) {
  const std::string& task = view.cell.retention;
  if (task.empty()) return;
  attempt(view, "retention", [&] { view.retention = read(result_path(directory, task)); });
}

bool is_judged_in(const Cell& cell, const std::string& measured) {
  return std::any_of(cell.judged.begin(), cell.judged.end(),
                     [&](const auto& entry) { return entry.first.starts_with(measured + "/"); });
}

/// "WHEN/TEST SET", or "WHEN/TEST SET/JUDGE".
MeasureName parse_name(const std::string& name, const std::string& task) {
  const size_t slash = name.find('/'), second = name.find('/', slash + 1);
  MeasureName parsed{name.substr(0, slash), "", "", task};
  if (slash != std::string::npos) parsed.test_set = name.substr(slash + 1, second - slash - 1);
  if (second != std::string::npos) parsed.judge = name.substr(second + 1);
  return parsed;
}

/// Sets the view's dataset, method, model and target from the index, or else from the results.
void name_cell(CellView& view) {
  const CellAbout& about = view.cell.about;
  if (!about.method.empty()) {
    view.dataset = about.dataset;
    view.method = about.method;
    view.model = about.model;
    view.target = about.target;
    return;
  }
  // The last tasks were done for this cell; an earlier one may have been done for another cell first.
  for (const MeasureView& measure : view.measures) {
    if (view.dataset.empty() || measure.when == "after") take_names(measure.file.record, view);
  }
  // All results of zero-shot may have been measured for another method: the cell's name tells.
  for (const MethodDescription& method : method_table()) {
    if (view.cell.name.ends_with("-" + method.name)) view.method = method.name;
  }
}

}  // namespace

void add_swept_keys(const SweptValues& swept, std::vector<std::string>& keys) {
  for (const auto& [key, value] : swept) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
}

std::optional<std::string> swept_value(const SweptValues& swept, const std::string& key) {
  for (const auto& [name, value] : swept) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::string MeasureName::text() const { return when + "/" + test_set + (judge.empty() ? "" : "/" + judge); }

std::vector<MeasureName> measures_of(const Cell& cell) {
  std::vector<MeasureName> names;
  for (const auto& [name, task] : cell.measures) {
    if (!is_judged_in(cell, name)) names.push_back(parse_name(name, task));
  }
  for (const auto& [name, task] : cell.judged) names.push_back(parse_name(name, task));
  auto rank = [](const MeasureName& m) {
    return std::tuple(m.test_set != "v2", m.test_set, m.judge != lexical_judge, m.judge, m.when != "before");
  };
  std::sort(names.begin(), names.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return names;
}

std::optional<MeasureName> headline_of(const Cell& cell) {
  const std::vector<MeasureName> names = measures_of(cell);
  const bool trained = !cell.training.empty();
  for (const MeasureName& name : names) {
    if (name.when == "after" && (trained || name.test_set == names.front().test_set)) return name;
  }
  if (names.empty() || trained) return std::nullopt;
  return names.front();
}

std::string set_name(const MeasureView& view) {
  return view.judge.empty() ? view.test_set : view.test_set + ", " + view.judge;
}

const MeasureView* CellView::measure(const std::string& when, const std::string& test_set) const {
  for (const MeasureView& view : measures) {
    if (view.when == when && view.test_set == test_set) return &view;
  }
  return nullptr;
}

const MeasureView* CellView::headline() const {
  const std::optional<MeasureName> name = headline_of(cell);
  for (const MeasureView& view : measures) {
    if (name && view.when == name->when && view.test_set == name->test_set && view.judge == name->judge)
      return &view;
  }
  return nullptr;
}

std::vector<JudgeAgreement> judge_agreements(const CellView& view) {
  std::vector<JudgeAgreement> found;
  for (auto one = view.measures.begin(); one != view.measures.end(); ++one) {
    for (auto other = one + 1; other != view.measures.end(); ++other) {
      const bool same_set = one->when == other->when && one->test_set == other->test_set;
      if (!same_set || one->judge == other->judge) continue;
      const std::optional<Agreement> agreement = agreement_of(one->file.result, other->file.result);
      if (agreement) found.push_back({one->when, one->test_set, one->judge, other->judge, *agreement});
    }
  }
  return found;
}

int clamped_steps(const TrainLog& log) {
  return static_cast<int>(
      std::count_if(log.z_unclamped.begin(), log.z_unclamped.end(), [](double z) { return z < 0; }));
}

CellView load_cell(const std::string& directory, const Cell& cell) {
  CellView view{cell, "", "", "", "", {}, {}, {}, {}};
  for (const MeasureName& name : measures_of(cell)) add_measure(directory, name, read_measure_file, view);
  for (const auto& [name, id] : cell.training) {
    attempt(view, name, [&, &key = name, &task = id] {
      view.training.push_back({key, read_train_file(result_path(directory, task))});
    });
  }
  add_retention(directory, read_retention_file, view);
  std::sort(view.training.begin(), view.training.end(),
            [](const auto& a, const auto& b) { return (a.kind != "sft") < (b.kind != "sft"); });
  bring_targets_of_trained(view);
  name_cell(view);
  return view;
}

std::vector<CellView> load_cells(const std::string& directory, const std::vector<Cell>& cells) {
  std::vector<CellView> views;
  for (const Cell& cell : cells) views.push_back(load_cell(directory, cell));
  return views;
}

std::vector<CellView> load_cells(const std::string& directory) {
  return load_cells(directory, read_index(directory));
}

CellView load_headline(const std::string& directory, const Cell& cell) {
  CellView view{cell, "", "", "", "", {}, {}, {}, {}};
  if (const auto name = headline_of(cell)) add_measure(directory, *name, read_measure_figures, view);
  add_retention(directory, read_retention_figures, view);
  return view;
}

void add_problems(const std::string& cell, const std::vector<std::string>& problems,
                  std::vector<std::string>& all) {
  for (const std::string& problem : problems) all.push_back(cell + ", " + problem);
}

std::vector<std::string> problems_of(const std::vector<CellView>& cells) {
  std::vector<std::string> problems;
  for (const CellView& view : cells) add_problems(view.cell.name, view.problems, problems);
  return problems;
}

void throw_if_any(const std::vector<std::string>& problems) {
  if (problems.empty()) return;
  constexpr size_t most_named = 3;
  std::string named;
  for (size_t i = 0; i < std::min(most_named, problems.size()); ++i) named += (i ? "; " : "") + problems[i];
  if (problems.size() > most_named) named += "; ...";
  throw UserError(std::to_string(problems.size()) +
                  " of the results cannot be read; all others are there: " + named);
}

}  // namespace apportion
