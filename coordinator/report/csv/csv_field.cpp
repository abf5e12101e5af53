#include "coordinator/report/csv/csv_field.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace apportion {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
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
