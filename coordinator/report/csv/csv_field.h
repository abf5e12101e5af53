// A field of a CSV (RFC 4180).
#pragma once

#include <string>

namespace apportion {

/// Quoted where it has to be.
std::string csv_field(const std::string& text);

/// The shortest text that reads back as the same number, whatever the locale; empty for NaN.
std::string csv_field(double value);

}  // namespace apportion
