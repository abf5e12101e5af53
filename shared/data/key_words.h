// Wordings reduced to their key words, as people type them into a form or a search box. Models that were
// trained on whole sentences alone often do not answer these in the same way.
#pragma once

#include <string>

namespace apportion {

/// The wording without its English function words (articles, pronouns, prepositions, auxiliaries, ...) and
/// marks, in lower case; placeholders and words in capitals stay. Empty if fewer than two words, or than two
/// fifths, are function words, as in other languages, or if no other word is left.
std::string key_words_of(const std::string& wording);

/// "{place}: lives work" and "lives work {place}" of "lives {place} work". Empty without a placeholder.
std::string with_placeholders_first(const std::string& wording);
std::string with_placeholders_last(const std::string& wording);

}  // namespace apportion
