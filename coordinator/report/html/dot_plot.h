// Target against share, a line for each subject and category: the untouched model's share as a ring, the
// trained one's as a disc, between them how far training moved it.
#pragma once

#include "coordinator/report/html/markup.h"
#include "coordinator/report/view/subject_view.h"

namespace apportion {

/// Where a share lies, in percent of the plot's width.
double place_of(double share);

/// Of two categories the first one's shares (the other's are the rest), of more each one's.
/// At most `most` subjects, those that are furthest off; how many are left out is said.
void write_dot_plot(Markup& out, const SetView& set, size_t most);

}  // namespace apportion
