#include "coordinator/report/csv/cells_csv.h"

#include <algorithm>

#include "coordinator/report/csv/csv_field.h"

namespace apportion {
namespace {

const std::vector<std::string> own_columns = {"job", "cell", "dataset", "method", "when", "test_set"};

std::string column_name(const std::string& key) {
  bool taken = std::find(own_columns.begin(), own_columns.end(), key) != own_columns.end();
  for (const FigureColumn& column : figure_columns()) taken = taken || key == column.metric.name;
  return csv_field(taken ? "swept_" + key : key);
}

}  // namespace

std::string cells_csv(const std::vector<CellFigures>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  std::string text;
  for (const std::string& column : own_columns) text += (text.empty() ? "" : ",") + column;
  for (const std::string& key : keys) text += "," + column_name(key);
  for (const FigureColumn& column : figure_columns()) text += std::string(",") + column.metric.name;
  text += "\r\n";
  for (const CellFigures& cell : cells) {
    text += csv_field(cell.job);
    for (const std::string& part : {cell.name, cell.dataset, cell.method, cell.when, cell.test_set})
      text += "," + csv_field(part);
    for (const std::string& key : keys) text += "," + csv_field(swept_value(cell.swept, key).value_or(""));
    for (const FigureColumn& column : figure_columns()) {
      const std::optional<double>& value = cell.*column.value;
      text += "," + (value ? csv_field(*value) : std::string());
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace apportion
