// A field of a CSV (RFC 4180).
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// Quotes where needed. A text that a spreadsheet would take for a formula gets a ' in front, so that it is
/// read as text; a text that is a number, as a swept value may be, stays unchanged.
std::string csv_field(const std::string& text);

/// The shortest text that reads back as the same number, whatever the locale; empty for NaN.
std::string csv_field(double value);

/// The header of a swept key's column: "swept_KEY" if the table already has a column of that name.
std::string swept_column(const std::string& key, const std::vector<std::string>& own_columns);

}  // namespace apportion
