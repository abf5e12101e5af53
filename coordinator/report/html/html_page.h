// The page of a results folder: one HTML file that needs nothing else, readable without scripts. What is
// shown is view/page_view.h's.
#pragma once

#include <string>

#include "coordinator/report/view/page_view.h"

namespace apportion {

std::string html_page(const PageView& page);

/// The page of `directory` into a file that is replaced whole; "-" is standard output. Where cells are left
/// out of it all stand in a CSV beside it: page.html has page.csv. With `cell` the page is of that one alone.
/// A browser reads it again after `refresh_s` seconds, 0: never. Returns the figures of all its cells. Throws
/// UserError for a directory or a cell that is not there, and where the file cannot be written.
std::vector<CellFigures> write_page(const std::string& directory, const std::string& file,
                                    const std::string& cell = "", int refresh_s = 0);

/// DIR/report.html, which a run writes at its end.
std::string page_path(const std::string& directory);

}  // namespace apportion
