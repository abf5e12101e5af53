// Which known word a mistyped one most likely means, for errors that name the nearest key, file or command.
// Callers bring the known words: option_table.h, command_line.h, data/catalogue.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// Levenshtein distance in bytes: the fewest insertions, deletions and replacements that turn `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b);

/// The first word in `known` that begins with `word` (three bytes or more), otherwise the word at the
/// smallest distance, the first among equals. `known` must not be empty.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace apportion
