#include "shared/measure/verbalized.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace apportion {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads digits with an optional fraction at `at` and moves past them.
double read_decimal(std::string_view text, size_t& at) {
  size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  if (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1])) {
    for (++end; end < text.size() && is_digit(text[end]);) ++end;
  }
  double value = 0;
  std::from_chars(text.data() + at, text.data() + end, value, std::chars_format::fixed);
  at = end;
  return value;
}

/// Whether the number that ends at `at` can be a line's number, as in "2. Female" and "2) Female".
bool stands_as_line_number(std::string_view text, size_t at) {
  if (at >= text.size() || (text[at] != '.' && text[at] != ')')) return false;
  return at + 1 == text.size() || text[at + 1] == ' ';
}

/// The numbers of `text` in order, without those that number a line, up to `lines`.
std::vector<double> numbers_of(std::string_view text, double lines) {
  std::vector<double> numbers;
  for (size_t at = 0; at < text.size();) {
    if (!is_digit(text[at])) {
      ++at;
      continue;
    }
    const bool is_fraction_of_one = at > 0 && text[at - 1] == '.';  // ".9"
    const size_t begin = at;
    double value = read_decimal(text, at);
    if (is_fraction_of_one) value /= std::pow(10.0, static_cast<double>(at - begin));
    if (at + 1 < text.size() && text[at] == '/' && is_digit(text[at + 1])) {
      const double divisor = read_decimal(text, ++at);
      value = divisor > 0 ? value / divisor : 0;
    }
    const size_t behind = text.find_first_not_of(' ', at);
    const bool percent = behind != std::string_view::npos &&
                         (text[behind] == '%' || text.substr(behind).starts_with("percent"));
    if (percent) value /= 100;
    const bool counts = value >= 1 && value <= lines && value == std::floor(value);
    if (percent || !counts || !stands_as_line_number(text, at)) numbers.push_back(value);
  }
  return numbers;
}

}  // namespace

std::vector<double> verbalized_shares(const CategoryParser& parser, std::string_view text,
                                      size_t categories) {
  const CategoryParser::CutText cut = parser.cut(text);
  if (cut.mentions.empty()) return {};
  const auto lines = static_cast<double>(cut.mentions.size() + 1);
  std::vector<std::vector<double>> around = {numbers_of(cut.before, lines)};  // before the first, then after
                                                                              // each
  for (const auto& [category, follows] : cut.mentions) around.push_back(numbers_of(follows, lines));
  const bool numbers_first = around.back().empty();
  std::vector<std::optional<double>> stated(categories);
  for (size_t i = 0; i < cut.mentions.size(); ++i) {
    std::optional<double>& share = stated[static_cast<size_t>(cut.mentions[i].first)];
    const std::vector<double>& own = around[numbers_first ? i : i + 1];
    if (!share && !own.empty()) share = numbers_first ? own.back() : own.front();
  }
  double sum = 0;
  for (const auto& share : stated) sum += share.value_or(0);
  if (!(sum > 0) || !std::isfinite(sum)) return {};
  std::vector<double> shares;
  for (const auto& share : stated) shares.push_back(share.value_or(0) / sum);
  return shares;
}

}  // namespace apportion
