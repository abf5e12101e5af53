// A text table: columns as wide as their cells, names left, numbers right. view/ decides what is in it.
#pragma once

#include <string>
#include <vector>

#include "coordinator/report/style.h"

namespace apportion {

enum class Align { left, right };

class Table {
 public:
  struct Column {
    std::string heading;
    Align align = Align::right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Takes as many cells as there are columns.
  void add_row(std::vector<std::string> cells);

  /// Heading, rule and rows, each indented by `indent` blanks, with two blanks between columns.
  std::string render(const Style& style, int indent) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace apportion
