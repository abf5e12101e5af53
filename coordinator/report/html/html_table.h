// A table of the view as HTML.
#pragma once

#include <string>

#include "coordinator/report/html/markup.h"
#include "coordinator/report/view/table_view.h"

namespace apportion {

/// Whether the caption is to be seen, or said by the heading above and so for screen readers alone.
enum class Caption { seen, heard };

/// Wider tables than the page scroll by themselves; headings say what they mean where the pointer rests, and
/// sort the rows where scripts run.
void write_table(Markup& out, const TableView& table, const std::string& caption,
                 Caption how = Caption::heard);

}  // namespace apportion
