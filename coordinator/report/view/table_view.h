// A table as every form of the report shows it: headings, what they mean, and entries that are rounded as the
// table of metrics says. What is in which table is cell_tables.h's and sweep_tables.h's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/table.h"
#include "shared/measure/metric_table.h"

namespace apportion {

struct TableView {
  struct Column {
    std::string heading;
    Align align = Align::right;
    std::string meaning = {};  // one sentence; empty: the heading says it
    int width = 0;             // columns of a terminal that an entry may take; 0: any number
    bool by_end = false;       // a long entry is told by its end, as a path is
  };
  struct Entry {
    std::string text;                  // "-": not known
    std::optional<double> value = {};  // what `text` rounds; nothing of what is no number
    bool is_aside = false;             // of a line that only adds to the one above
  };

  std::vector<Column> columns;
  std::vector<std::vector<Entry>> rows;
};

/// A table with a title, and what it leaves out.
struct NotedTable {
  std::string title, note;
  TableView table;
};

/// What is not known, in tables and text.
inline constexpr const char* not_known = "-";

TableView::Column column_of(const MetricDescription& metric);
/// With a heading of its own, where a table says the rest.
TableView::Column column_of(const MetricDescription& metric, const std::string& heading);
TableView::Entry entry_of(const MetricDescription& metric, const std::optional<double>& value);
/// "0.031 (12/14)": a mean over fewer subjects than there are flatters, so it says so.
TableView::Entry entry_of(const MeasuredMetric& metric, const DatasetMetrics& metrics);
/// A count or another number that no metric is.
TableView::Entry number_entry(double value, int decimals);

}  // namespace apportion
