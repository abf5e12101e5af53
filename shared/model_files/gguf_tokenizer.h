// The tokens of a GGUF file's model.
#pragma once

#include <string>

#include "shared/model_files/gguf.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// From `tokenizer.*`; `gguf` must outlive the tables. Throws DataError for a tokenizer unknown here or a
/// missing table. tokenizer.h checks what the tables hold.
TokenizerTables tokenizer_tables(const Gguf& gguf);

/// What tokenizer.ggml.pre calls the way that a byte-level vocabulary cuts text into words; empty when no
/// name known here fits.
std::string gguf_pre(const TokenizerTables& tables);

}  // namespace apportion
