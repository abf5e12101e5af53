// Renders a table of the view as HTML.
#pragma once

#include <string>

#include "coordinator/report/html/markup.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// Whether the caption is visible, or only for screen readers because the heading above already says it.
enum class Caption { seen, heard };

/// A table wider than the page scrolls by itself. Headings explain themselves under the pointer and, if
/// scripts run, sort the rows.
void write_table(Markup& out, const TableView& table, const std::string& caption,
                 Caption how = Caption::heard);

}  // namespace apportion
