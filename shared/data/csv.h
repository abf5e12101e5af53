// Comma-separated tables as in RFC 4180, and what spreadsheets write instead. dataset.cpp knows what the
// columns mean.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// One record and the line where it begins.
struct CsvRow {
  std::vector<std::string> cells;
  size_t line = 0;
};

/// The records of the file, including the header, all as wide as the header. Cells are separated by what a
/// first line "sep=C" says, otherwise by the header's first comma, semicolon or tab. A cell may be quoted and
/// then holds separators, line ends and doubled quotes; LF and CRLF both end a record; empty lines at the end
/// of the file are ignored. Throws UserError "FILE, line N: ..." for a misplaced quote, an empty line, or a
/// record of another width.
std::vector<CsvRow> read_csv(const std::string& path);

}  // namespace apportion
