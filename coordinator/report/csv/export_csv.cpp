#include "coordinator/report/csv/export_csv.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "coordinator/report/csv/csv_field.h"
#include "coordinator/report/data/report_data.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/method.h"

namespace apportion {
namespace {

const std::vector<std::string> own_columns = {"job",       "cell",       "dataset",   "method", "when",
                                              "test_set",  "subject",    "wording",   "prompt", "outcome",
                                              "category",  "target",     "count",     "rounds", "steering",
                                              "exact_low", "exact_high", "unexplored"};

/// What all rows of a result start and end with.
struct RowEnds {
  std::string begin, end;
};

void write_prompt(std::ostream& out, const RowEnds& ends, const MeasureFile& file,
                  const PromptResult& prompt) {
  const MeasureTables& tables = file.tables;
  const size_t s = static_cast<size_t>(prompt.subject), k = tables.categories.size();
  const size_t index = s * static_cast<size_t>(file.result.wordings) + static_cast<size_t>(prompt.wording);
  const uint64_t rounds = rounds_of(prompt);
  const std::string start = ends.begin + csv_field(tables.subjects[s]) + "," +
                            std::to_string(prompt.wording) + "," + csv_field(tables.prompts[index]) + ",";
  for (size_t j = 0; j < k + 2; ++j) {
    const bool category = j < k;
    out << start << (category ? "category," : j == k ? "unparsed," : "cut,");
    out << (category ? csv_field(tables.categories[j]) : "") << ","
        << (category ? csv_field(tables.target[s][j]) : "") << ",";
    out << prompt.counts[j] << "," << rounds << ",";
    if (category) {
      const double low = prompt.low[j], high = std::min(1.0, low + prompt.unexplored);
      out << csv_field(prompt.steering[j]) << "," << csv_field(low) << "," << csv_field(high);
    } else {
      out << ",,";
    }
    out << "," << csv_field(prompt.unexplored) << ends.end;
  }
  if (!reads_stories(file.record.task)) return;
  if (is_judged(file.record.task)) {
    out << start << "failed,,," << prompt.judge_failed << "," << rounds << ",,,,"
        << csv_field(prompt.unexplored) << ends.end;
  }
  out << start << "no story,,," << prompt.no_story << "," << rounds << ",,,," << csv_field(prompt.unexplored)
      << ends.end;
}

void write_cell(std::ostream& out, const std::string& end, const CellView& view) {
  for (const MeasureView& measure : view.measures) {
    RowEnds ends{"", end};
    for (const std::string& text :
         {view.cell.job, view.cell.name, view.dataset, view.method, measure.when, set_name(measure)}) {
      ends.begin += csv_field(text) + ",";
    }
    for (const PromptResult& prompt : measure.file.result.prompts)
      write_prompt(out, ends, measure.file, prompt);
  }
}

}  // namespace

std::vector<std::string> export_csv(const std::string& directory, std::ostream& out) {
  const std::vector<Cell> cells = read_index(directory);
  std::vector<std::string> keys;
  for (const Cell& cell : cells) add_swept_keys(cell.about.swept, keys);
  for (const std::string& column : own_columns) out << (column == own_columns.front() ? "" : ",") << column;
  for (const std::string& key : keys) out << "," << swept_column(key, own_columns);
  out << "\r\n";
  std::vector<std::string> problems;
  for (const Cell& cell : cells) {  // one by one: the results of many cells need not be in memory at once
    std::string end;
    for (const std::string& key : keys)
      end += "," + csv_field(swept_value(cell.about.swept, key).value_or(""));
    const CellView view = load_cell(directory, cell);
    write_cell(out, end + "\r\n", view);
    add_problems(cell.name, view.problems, problems);
  }
  return problems;
}

void export_csv(const std::string& directory, const std::string& file) {
  std::ostringstream text;
  const std::vector<std::string> problems = export_csv(directory, text);
  if (file == "-") {
    print_output(text.str());
  } else {
    write_file(file, text.str());
  }
  throw_if_any(problems);
}

}  // namespace apportion
