// The tokens of a GGUF file's model.
#pragma once

#include <string>

#include "shared/model_files/gguf.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// From `tokenizer.*`; `gguf` must outlive the tables. Throws DataError for a tokenizer that is not known
/// here or a table that is absent. What stands in the tables is tokenizer.h's to check.
TokenizerTables tokenizer_tables(const Gguf& gguf);

/// What tokenizer.ggml.pre calls the way in which a byte-level vocabulary cuts a text into words; empty where
/// it has no name that is known here.
std::string gguf_pre(const TokenizerTables& tables);

}  // namespace apportion
