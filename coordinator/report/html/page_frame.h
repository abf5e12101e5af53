// What stands around the content of every page: its head with the style sheet, and its end with the script.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/report/html/markup.h"

namespace apportion {

/// Opens a page as far as <body>. A browser reads it again after `refresh_s` seconds, 0: never.
void open_page(Markup& out, const std::string& title, int refresh_s = 0);

/// The lines below a title: what was asked, and how it came out.
void write_lead(Markup& out, const std::string& asked, const std::string& outcome);

/// Folded below `summary`: each term with what it means.
void write_terms(Markup& out, const std::string& summary,
                 const std::vector<std::pair<std::string, std::string>>& terms);

/// Opens a paragraph on what the page was made from and by which program, which the caller ends.
void open_origin(Markup& out, const std::string& directory);

/// Closes <body> and the page.
void close_page(Markup& out);

}  // namespace apportion
