#include "coordinator/report/csv/cells_csv.h"

#include "coordinator/report/csv/csv_field.h"

namespace apportion {
namespace {

const std::vector<std::string> first_columns = {"job", "cell", "dataset", "method", "when", "test_set"};

std::vector<std::string> unswept_columns() {
  std::vector<std::string> columns = first_columns;
  for (const FigureColumn& column : figure_columns()) columns.emplace_back(column.metric.name);
  return columns;
}

}  // namespace

std::string cells_csv(const std::vector<CellFigures>& cells) {
  const std::vector<std::string> keys = swept_keys(cells);
  std::string text;
  for (const std::string& name : first_columns) text += (text.empty() ? "" : ",") + name;
  const std::vector<std::string> taken = unswept_columns();
  for (const std::string& key : keys) text += "," + swept_column(key, taken);
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
