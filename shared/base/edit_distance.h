// Which known word a mistyped one most likely means, for errors that name the nearest key, file or command.
// What the known words are is the caller's: option_table.h, command_line.h, data/catalogue.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// Levenshtein distance in bytes: the fewest insertions, deletions and replacements that turn `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b);

/// The first word of `known` that `word` (three bytes or more) begins, else the one with the smallest
/// distance to it, the first of equals. `known` must not be empty.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace apportion
