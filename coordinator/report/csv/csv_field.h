// A field of a CSV (RFC 4180).
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// Quoted where it has to be. A text that a spreadsheet would take for a formula has a ' in front, by which
/// it takes it for a text; one that is a number, as a swept value may be, stays one.
std::string csv_field(const std::string& text);

/// The shortest text that reads back as the same number, whatever the locale; empty for NaN.
std::string csv_field(double value);

/// The header's column of a swept key: one that is a column of the table's own already is named apart.
std::string swept_column(const std::string& key, const std::vector<std::string>& own_columns);

}  // namespace apportion
