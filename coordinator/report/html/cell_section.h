// One cell in full, as a section of the page: plots, tables, answers, curves, cost and provenance.
#pragma once

#include "coordinator/report/data/report_data.h"
#include "coordinator/report/html/markup.h"

namespace apportion {

void write_cell(Markup& out, const CellView& view);

}  // namespace apportion
