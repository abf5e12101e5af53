#include "coordinator/report/csv/csv_field.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

namespace apportion {
namespace {

/// Characters that a spreadsheet takes for the start of a formula (OWASP, CSV Injection), with the full-width
/// forms that some treat alike.
constexpr std::string_view formula_signs[] = {"=",  "+",      "-",      "@",      "\t",    "\r",
                                              "\n", "\uFF1D", "\uFF0B", "\uFF0D", "\uFF20"};

bool is_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end && std::isfinite(value);
}

bool begins_a_formula(const std::string& text) {
  for (const std::string_view sign : formula_signs) {
    if (text.starts_with(sign)) return !is_number(text);
  }
  return false;
}

}  // namespace

std::string csv_field(const std::string& text) {
  const std::string harmless = begins_a_formula(text) ? "'" + text : text;
  if (harmless.find_first_of(",\"\r\n") == std::string::npos) return harmless;
  std::string quoted = "\"";
  for (char c : harmless) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string csv_field(double value) {
  if (std::isnan(value)) return "";
  char text[32];
  auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

std::string swept_column(const std::string& key, const std::vector<std::string>& own_columns) {
  const bool taken = std::find(own_columns.begin(), own_columns.end(), key) != own_columns.end();
  return csv_field(taken ? "swept_" + key : key);
}

}  // namespace apportion
