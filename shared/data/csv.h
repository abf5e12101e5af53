// Comma-separated tables as RFC 4180 has them, and what spreadsheets write in their place. What the columns
// mean is dataset.cpp's business.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// One record and the line on which it begins.
struct CsvRow {
  std::vector<std::string> cells;
  size_t line = 0;
};

/// The records of the file, the header among them, all of the header's width. Cells are separated by what a
/// first line "sep=C" says, else by the first comma, semicolon or tab of the header. A cell may be quoted and
/// then holds separators, line ends and doubled quotes; LF and CRLF both end a record; empty lines at the
/// file's end are ignored. Throws UserError "FILE, line N: ..." for a quote out of place, an empty line, or a
/// record of another width.
std::vector<CsvRow> read_csv(const std::string& path);

}  // namespace apportion
