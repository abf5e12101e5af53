// The tokens of a model whose files are not GGUF, in a GGUF file's form: the reverse of gguf_tokenizer.h.
#pragma once

#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// The keys `tokenizer.*`, with as many tokens as the embedding has rows. Throws DataError for what these
/// keys cannot say: in a byte-level vocabulary, a way of cutting text into words that gguf_tokenizer.h has no
/// name for; in one of characters, what gguf_sentencepiece.h lists; and tokens that are not found as they
/// are.
GgufMetadata vocabulary_keys(const TokenizerTables& tables);

}  // namespace apportion
