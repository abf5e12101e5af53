#include "coordinator/report/table.h"

#include <algorithm>
#include <numeric>

#include "shared/base/error.h"

namespace apportion {

void Table::add_row(std::vector<std::string> cells) {
  ensure(cells.size() == columns_.size(), "a table's row has a cell for each column");
  rows_.push_back(std::move(cells));
}

std::string Table::render(const Style& style, int indent) const {
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_of(columns_[i].heading));
    for (const auto& row : rows_) widths[i] = std::max(widths[i], columns_of(row[i]));
  }
  const std::string margin(static_cast<size_t>(indent), ' ');
  auto line = [&](auto cell_of) {
    std::string text = margin;
    for (size_t i = 0; i < columns_.size(); ++i) {
      std::string cell = cell_of(i);
      text += columns_[i].align == Align::left ? left(cell, widths[i]) : right(cell, widths[i]);
      if (i + 1 < columns_.size()) text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  const int total = std::accumulate(widths.begin(), widths.end(), 2 * (static_cast<int>(widths.size()) - 1));
  std::string rule;
  for (int i = 0; i < total; ++i) rule += style.charset == Charset::unicode ? "─" : "-";
  std::string text = line([&](size_t i) { return painted(style, Paint::bold, columns_[i].heading); });
  text += margin + painted(style, Paint::dim, rule) + "\n";
  for (const auto& row : rows_) {
    text += line([&](size_t i) { return row[i]; });
  }
  return text;
}

}  // namespace apportion
