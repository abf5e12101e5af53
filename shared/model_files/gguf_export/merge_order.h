// The order in which merges make the tokens of a vocabulary of characters, from which scores can replace the
// merges. tokens/bpe.h merges text either way.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// By id, the rank of the merge that makes the token; -1 for tokens that no merge makes: single characters,
/// special tokens, and tokens that no text comes to.
///
/// Text between two boundaries that no merge has crossed is merged as if it were a text of its own. So a
/// token comes of the same two parts wherever it is made, those that its own text comes to. Merging the
/// neighbours that make the token of the lowest rank here, the leftmost among equals, is then merging by the
/// list. A reader of scores does just that when a lower rank has a higher score. But it also joins neighbours
/// that the list does not: throws DataError that names a token whose text ends as two others side by side,
/// one with a character that is no token, and a merge of tokens that stand for bytes or for the unknown.
///
/// `tables` must have a vocabulary of characters, with merges, in which text is not cut into words.
std::vector<int32_t> merge_order(const TokenizerTables& tables);

}  // namespace apportion
