// In which order merges make the tokens of a vocabulary of characters, by which scores can stand in for them.
// How a text is merged, by either, is tokens/bpe.h's.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// By id the rank of the merge that makes the token; -1 for those that no merge makes: single characters,
/// special tokens, and tokens that no text comes to.
///
/// What is between two boundaries that no merge has crossed is merged as if it were a text of its own. So a
/// token comes of the same two parts wherever it is made, those that its own text comes to, and merging the
/// neighbours that make the token of the lowest rank here, the leftmost of equals, is merging by the list.
/// That is what a reader of scores does where a lower rank has a higher score. It also joins neighbours that
/// the list does not: DataError names a token whose text ends as two others side by side, one with a
/// character that is no token, and a merge of tokens that stand for bytes or for what is unknown.
///
/// `tables` are of a vocabulary of characters, with merges, in which no text is cut into words.
std::vector<int32_t> merge_order(const TokenizerTables& tables);

}  // namespace apportion
