#include "coordinator/report/export_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <vector>

#include "coordinator/report/report_data.h"
#include "shared/base/file_system.h"
#include "shared/base/standard_output.h"
#include "shared/config/method.h"

namespace apportion {
namespace {

constexpr const char* header =
    "job,cell,dataset,method,when,test_set,subject,wording,prompt,outcome,category,target,count,rounds,"
    "steering,"
    "exact_low,exact_high,unexplored\r\n";

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

// The shortest text that reads back as the same number, whatever the locale; empty for NaN.
std::string field(double value) {
  if (std::isnan(value)) return "";
  char text[32];
  auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

void write_prompt(std::ostream& out, const std::string& cell_fields, const MeasureFile& file,
                  const PromptResult& prompt) {
  const MeasureTables& tables = file.tables;
  const size_t s = static_cast<size_t>(prompt.subject), k = tables.categories.size();
  const size_t index = s * static_cast<size_t>(file.result.wordings) + static_cast<size_t>(prompt.wording);
  const uint64_t rounds = rounds_of(prompt);
  const std::string start = cell_fields + field(tables.subjects[s]) + "," + std::to_string(prompt.wording) +
                            "," + field(tables.prompts[index]) + ",";
  for (size_t j = 0; j < k + 2; ++j) {
    const bool category = j < k;
    out << start << (category ? "category," : j == k ? "unparsed," : "cut,");
    out << (category ? field(tables.categories[j]) : "") << ","
        << (category ? field(tables.target[s][j]) : "") << ",";
    out << prompt.counts[j] << "," << rounds << ",";
    if (category) {
      const double low = prompt.low[j], high = std::min(1.0, low + prompt.unexplored);
      out << field(prompt.steering[j]) << "," << field(low) << "," << field(high);
    } else {
      out << ",,";
    }
    out << "," << field(prompt.unexplored) << "\r\n";
  }
  if (!reads_stories(file.record.task)) return;
  if (is_judged(file.record.task)) {
    out << start << "failed,,," << prompt.judge_failed << "," << rounds << ",,,," << field(prompt.unexplored)
        << "\r\n";
  }
  out << start << "no story,,," << prompt.no_story << "," << rounds << ",,,," << field(prompt.unexplored)
      << "\r\n";
}

}  // namespace

std::vector<std::string> export_csv(const std::string& directory, std::ostream& out) {
  const std::vector<CellView> cells = load_cells(directory);
  out << header;
  for (const CellView& view : cells) {
    for (const MeasureView& measure : view.measures) {
      std::string fields;
      for (const std::string& text :
           {view.cell.job, view.cell.name, view.dataset, view.method, measure.when, set_name(measure)}) {
        fields += field(text) + ",";
      }
      for (const PromptResult& prompt : measure.file.result.prompts)
        write_prompt(out, fields, measure.file, prompt);
    }
  }
  return problems_of(cells);
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
