#include "shared/base/edit_distance.h"

#include <algorithm>
#include <numeric>

#include "shared/base/error.h"

namespace apportion {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  ensure(!known.empty(), "nearest_word needs known words");
  // A pasted kilobyte is no typing mistake: its beginning is enough.
  word = word.substr(0, 64);
  constexpr size_t least_prefix = 3;
  for (const auto& candidate : known) {
    if (word.size() >= least_prefix && candidate.compare(0, word.size(), word) == 0) return candidate;
  }
  return *std::min_element(known.begin(), known.end(), [word](const std::string& a, const std::string& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  });
}

}  // namespace apportion
