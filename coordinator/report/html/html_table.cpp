#include "coordinator/report/html/html_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace apportion {
namespace {

/// Sorting would separate rows that add to the one above from it.
bool is_sortable(const TableView& table) {
  return table.rows.size() > 1 && std::none_of(table.rows.begin(), table.rows.end(), [](const auto& row) {
           return std::all_of(row.begin(), row.end(), [](const TableView::Entry& entry) {
             return entry.is_aside || entry.text.empty();
           });
         });
}

void write_entry(Markup& out, const TableView::Column& column, const TableView::Entry& entry, bool is_head) {
  const char* kind = column.align == Align::right ? "n" : entry.is_aside ? "aside" : "";
  if (is_head) {
    const bool sub = entry.text.starts_with("  ");  // of the row above it
    out.open("th", {{"scope", "row"}, {"class", sub ? "sub" : ""}});
  } else if (entry.value) {
    out.open("td", {{"class", kind}, {"data-v", fmt::format("{:.9g}", *entry.value)}});
  } else if (*kind != '\0') {
    out.open("td", {{"class", kind}});
  } else {
    out.open("td");
  }
  if (column.align == Align::right) {
    out.text(entry.text);
  } else {
    out.name(entry.text);
  }
  out.close();
}

}  // namespace

void write_table(Markup& out, const TableView& table, const std::string& caption, Caption how) {
  out.open("div", {{"class", "scroll"}, {"tabindex", "0"}, {"role", "region"}, {"aria-label", caption}});
  out.open("table", {{"class", is_sortable(table) ? "sortable" : "fixed"}});
  out.element("caption", {{"class", how == Caption::heard ? "heard" : ""}}, caption);
  out.open("thead").open("tr");
  for (const TableView::Column& column : table.columns) {
    const std::string kind = column.align == Align::right ? "n" : "";
    out.open("th", {{"scope", "col"}, {"class", kind}, {"title", column.meaning}});
    out.name(column.heading).close();
  }
  out.close().close().open("tbody");
  for (const std::vector<TableView::Entry>& row : table.rows) {
    out.open("tr");
    for (size_t i = 0; i < row.size(); ++i) write_entry(out, table.columns[i], row[i], i == 0);
    out.close();
  }
  out.close().close().close();
}

}  // namespace apportion
