#include "shared/config/target.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr std::string_view mix_word = "mix ";
constexpr double rounding = 1e-6;  // for shares that a person wrote

bool parse_shares(const std::string& text, std::vector<double>& shares) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t slash = std::min(text.find('/', begin), text.size());
    double share = 0;
    if (!parse_number(text.substr(begin, slash - begin), share) || share < 0) return false;
    shares.push_back(share);
    begin = slash + 1;
  }
  return std::abs(std::accumulate(shares.begin(), shares.end(), 0.0) - 1) <= rounding;
}

}  // namespace

bool parse_target(const std::string& text, TargetConfig& target) {
  TargetConfig parsed;
  if (text == "real") {
    parsed.kind = TargetKind::table;
  } else if (text == "even") {
    parsed.kind = TargetKind::even;
  } else if (text.starts_with(mix_word)) {
    parsed.kind = TargetKind::mix;
    const size_t begin = text.find_first_not_of(' ', mix_word.size());
    if (begin == std::string::npos || !parse_number(text.substr(begin), parsed.mix)) return false;
    if (parsed.mix < 0 || parsed.mix > 1) return false;
  } else if (text.ends_with(".csv") && is_job_file_text(text)) {
    parsed.kind = TargetKind::file;
    parsed.file = text;
  } else {
    parsed.kind = TargetKind::shares;
    if (!parse_shares(text, parsed.shares)) return false;
  }
  target = std::move(parsed);
  return true;
}

std::string print_target(const TargetConfig& target) {
  switch (target.kind) {
    case TargetKind::table:
      return "real";
    case TargetKind::even:
      return "even";
    case TargetKind::mix:
      return std::string(mix_word) + print_number(target.mix);
    case TargetKind::file:
      return target.file;
    case TargetKind::shares:
      break;
  }
  std::vector<std::string> shares;
  for (double share : target.shares) shares.push_back(print_number(share));
  return join(shares, "/");
}

}  // namespace apportion
