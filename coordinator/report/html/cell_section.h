// One cell whole as a part of the page: its plots, tables, answers, curves, cost and where all comes from.
#pragma once

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/html/markup.h"

namespace apportion {

void write_cell(Markup& out, const CellView& view);

}  // namespace apportion
