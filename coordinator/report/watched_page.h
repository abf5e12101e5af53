// `apportion report DIR --watch`: writes the page again and again while runs work in the folder, from their
// files alone. view/page_view.h decides what it shows.
#pragma once

#include <string>

#include "coordinator/report/report.h"

namespace apportion {

/// Writes the folder's page to request.html, and again whenever something that it shows has changed, until no
/// run is at work in the folder or a signal asks to stop. The page tells browsers to reload it; the caller
/// writes the last one, which does not. Returns 0 or 130. Throws as write_page does.
int watch_page(const std::string& directory, const ReportRequest& request, bool quiet);

}  // namespace apportion
