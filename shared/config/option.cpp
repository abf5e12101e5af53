#include "shared/config/option.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "shared/base/utf8.h"

namespace apportion {
namespace {

template <typename Value>
bool parse_whole(const std::string& text, Value& value) {
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end;
}

}  // namespace

std::string trim(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= text.size();) {
    size_t comma = std::min(text.find(',', begin), text.size());
    words.push_back(trim(text.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  return words;
}

bool parse_integer(const std::string& text, uint64_t& value) { return parse_whole(text, value); }

bool parse_number(const std::string& text, double& value) {
  return parse_whole(text, value) && std::isfinite(value);
}

bool parse_flag(const std::string& text, bool& value) {
  if (text != "true" && text != "false") return false;
  value = text == "true";
  return true;
}

bool parse_integers(const std::string& text, const IntegerRange& range, std::vector<uint64_t>& value) {
  std::vector<uint64_t> numbers;
  for (const std::string& word : split_list(text)) {
    uint64_t number = 0;
    if (!parse_integer(word, number) || number < range.low || number > range.high) return false;
    if (!numbers.empty() && number <= numbers.back()) return false;
    numbers.push_back(number);
  }
  value = std::move(numbers);
  return true;
}

bool parse_list(const std::string& text, const std::vector<std::string>& allowed,
                std::vector<std::string>& value) {
  std::vector<std::string> words;
  for (std::string& word : split_list(text)) {
    if (std::find(allowed.begin(), allowed.end(), word) == allowed.end()) return false;
    if (std::find(words.begin(), words.end(), word) != words.end()) return false;
    words.push_back(std::move(word));
  }
  value = std::move(words);
  return true;
}

std::string print_number(double value) { return fmt::format("{}", value); }

bool contains(const NumberRange& range, double value) {
  bool above = range.low_bound == Bound::included ? value >= range.low : value > range.low;
  bool below = range.high_bound == Bound::included ? value <= range.high : value < range.high;
  return above && below;
}

std::string describe(const IntegerRange& range) {
  std::string text = range.high == std::numeric_limits<uint64_t>::max()
                         ? fmt::format("an integer from {} to 2^64 - 1", range.low)
                         : fmt::format("an integer from {} to {}", range.low, range.high);
  return range.reason.empty() ? text : text + " (" + range.reason + ")";
}

std::string describe(const NumberRange& range) {
  return fmt::format("a number {} {}, {} {}", range.low_bound == Bound::included ? "at least" : "above",
                     range.low, range.high_bound == Bound::included ? "at most" : "below", range.high);
}

std::string printable(const std::string& text) {
  constexpr size_t most_bytes = 80;
  std::string shown;
  const bool readable = is_utf8(text);
  for (unsigned char c : text.substr(0, most_bytes)) {
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && !readable)) {
      shown += fmt::format("\\x{:02x}", c);
    } else {
      shown += static_cast<char>(c);
    }
  }
  return text.size() > most_bytes ? shown + "..." : shown;
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

bool is_job_file_text(const std::string& text) {
  if (text != trim(text) || !is_utf8(text)) return false;
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c == '#' || c < 0x20 || c == 0x7f; });
}

}  // namespace apportion
