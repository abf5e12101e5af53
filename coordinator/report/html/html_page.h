// The page of a results folder: one HTML file that needs nothing else and is readable without scripts.
// view/page_view.h decides what it shows.
#pragma once

#include <string>

#include "coordinator/report/view/page_view.h"

namespace apportion {

std::string html_page(const PageView& page);

/// Writes the page of `directory` to a file, which is replaced whole; "-" is standard output. If the page
/// leaves out cells, a CSV next to it has them all: page.html gets page.csv. With `cell` the page shows only
/// that cell. Browsers reload it after `refresh_s` seconds, 0: never. Returns the figures of all its cells.
/// Throws UserError for a missing directory or cell, and when the file cannot be written.
std::vector<CellFigures> write_page(const std::string& directory, const std::string& file,
                                    const std::string& cell = "", int refresh_s = 0);

/// DIR/report.html, which a run writes at its end.
std::string page_path(const std::string& directory);

/// DIR/scaling.html, the page of a scaling study, beside the one that a run in the same folder leaves.
std::string study_page_path(const std::string& directory);

}  // namespace apportion
