// `apportion report DIR --watch`: the page, written again and again while runs work in the folder, from their
// files alone. What is on it is view/page_view.h's.
#pragma once

#include <string>

#include "coordinator/report/report.h"

namespace apportion {

/// Writes the folder's page to request.html, and again whenever something that it shows has changed, until no
/// run is at work in the folder or a signal asks to stop. It tells browsers to read it again; the last one,
/// which does not, is the caller's to write. Returns 0, or 130. Throws as write_page.
int watch_page(const std::string& directory, const ReportRequest& request, bool quiet);

}  // namespace apportion
