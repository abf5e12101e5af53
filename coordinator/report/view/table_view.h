// A table as every form of the report shows it: headings, what they mean, and entries rounded as the table of
// metrics says. cell_tables.h and sweep_tables.h fill the tables.
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
    int width = 0;             // most terminal columns of an entry; 0: no limit
    bool by_end = false;       // a long entry is cut at its start, as for a path
  };
  struct Entry {
    std::string text;                  // "-": unknown
    std::optional<double> value = {};  // the number that `text` rounds; nothing if it is not a number
    bool is_aside = false;             // part of a line that only adds to the one above
  };

  std::vector<Column> columns;
  std::vector<std::vector<Entry>> rows;
};

/// A table with a title and a note.
struct NotedTable {
  std::string title, note;
  TableView table;
};

/// Stands for an unknown value, in tables and text.
inline constexpr const char* not_known = "-";

TableView::Column column_of(const MetricDescription& metric);
/// With another heading, for a table that says the rest.
TableView::Column column_of(const MetricDescription& metric, const std::string& heading);
TableView::Entry entry_of(const MetricDescription& metric, const std::optional<double>& value);
/// "0.031 (12/14)": a mean over fewer than all subjects flatters, so the entry says so.
TableView::Entry entry_of(const MeasuredMetric& metric, const DatasetMetrics& metrics);
/// A count, or another number that is not a metric.
TableView::Entry number_entry(double value, int decimals);

}  // namespace apportion
