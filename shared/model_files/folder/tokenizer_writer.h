// tokenizer.json and tokenizer_config.json for a model whose tokens came from elsewhere (a GGUF file), so
// that transformers loads a folder with its weights.
#pragma once

#include <map>
#include <string>

#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// The two files by name. None for a vocabulary that is not byte-level, which is not written here.
std::map<std::string, std::string> tokenizer_files(const TokenizerTables& tables);

}  // namespace apportion
