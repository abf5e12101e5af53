// tokenizer.json and tokenizer_config.json of a model whose tokens came from elsewhere (a GGUF file), so that
// a folder with its weights is one that transformers loads.
#pragma once

#include <map>
#include <string>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// The two files by name. None of a vocabulary that is not byte-level, which nobody here writes.
std::map<std::string, std::string> tokenizer_files(const TokenizerTables& tables);

}  // namespace apportion
