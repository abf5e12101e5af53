// Target against share, with a line for each subject and category: a ring for the untouched model's share, a
// disc for the trained one's, and between them how far training moved it.
#pragma once

#include "coordinator/report/html/markup.h"
#include "coordinator/report/view/subject_view.h"

namespace apportion {

/// The position of a share, in percent of the plot's width.
double place_of(double share);

/// With two categories it plots the shares of the first (the second's are the rest), with more those of each.
/// It shows at most `most` subjects, those furthest off, and says how many it leaves out.
void write_dot_plot(Markup& out, const SetView& set, size_t most);

}  // namespace apportion
