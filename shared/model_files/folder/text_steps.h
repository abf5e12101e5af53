// The keys `normalizer` and `pre_tokenizer` of a tokenizer.json. shared/tokens carries out the steps.
#pragma once

#include "shared/model_files/folder/json_node.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// Fills in tables.normalizer from NFC, NFKC, Replace (of a text), Prepend and Sequence, or null. Throws
/// DataError for anything unknown here.
void read_normalizer(const JsonNode& normalizer, TokenizerTables& tables);

/// Fills in tables.pre_tokenizer and tables.alphabet from ByteLevel (the last step), Split, Digits, Metaspace
/// and Sequence, or null. Throws DataError for anything unknown here; the tokenizer compiles regular
/// expressions.
void read_pre_tokenizer(const JsonNode& pre_tokenizer, TokenizerTables& tables);

/// How a pre-tokenizer's or decoder's Metaspace treats the beginning of a text: `prepend_scheme`, or the
/// older `add_prefix_space`.
BlankBefore metaspace_scheme(const JsonNode& metaspace);

}  // namespace apportion
