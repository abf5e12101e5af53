// What stands around the content of every page: its head with the style sheet, and its end with the script.
#pragma once

#include <string>

#include "coordinator/report/html/markup.h"

namespace apportion {

/// Opens a page as far as <body>. A browser reads it again after `refresh_s` seconds, 0: never.
void open_page(Markup& out, const std::string& title, int refresh_s = 0);

/// The lines below a title: what was asked, and how it came out.
void write_lead(Markup& out, const std::string& asked, const std::string& outcome);

/// Closes <body> and the page.
void close_page(Markup& out);

}  // namespace apportion
