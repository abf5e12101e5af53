// The tokens of a model whose files are not GGUF, as such a file has them: what gguf_tokenizer.h reads, the
// other way round.
#pragma once

#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// `tokenizer.*`, as many tokens as the embedding has rows. Throws DataError for what these keys cannot say:
/// of a byte-level vocabulary a way of cutting a text into words that gguf_tokenizer.h has no name for, of
/// one of characters what gguf_sentencepiece.h says, and tokens that are found otherwise than as they are.
GgufMetadata vocabulary_keys(const TokenizerTables& tables);

}  // namespace apportion
