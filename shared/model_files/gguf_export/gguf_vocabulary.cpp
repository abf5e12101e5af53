#include "shared/model_files/gguf_export/gguf_vocabulary.h"

#include <algorithm>
#include <string>
#include <vector>

#include "shared/model_files/gguf_export/gguf_sentencepiece.h"
#include "shared/model_files/gguf_tokenizer.h"

namespace apportion {
namespace {

constexpr const char* else_a_folder = ": without --gguf the folder that is written has its tokenizer.json";

void check(const TokenizerTables& tables) {
  for (const auto& [id, rule] : tables.added_rules) {
    if (!rule.blanks_left && !rule.blanks_right && (!rule.normalized || tables.normalizer.empty())) continue;
    tables.fail(tables.tokens, "the token " + tables.tokens.value[static_cast<size_t>(id)] +
                                   " takes blanks around it or is looked for in the normalized text, which "
                                   "GGUF files cannot say" +
                                   else_a_folder);
  }
}

std::string pre_of(const TokenizerTables& tables) {
  const std::string pre = gguf_pre(tables);
  if (pre.empty()) {
    tables.fail(tables.pre_tokenizer,
                std::string("GGUF files have no supported name for this way of cutting a text into words; "
                            "smollm, gpt-2, llama-bpe (Llama 3) and qwen2 are supported") +
                    else_a_folder);
  }
  return pre;
}

GgufMetadata byte_level(const TokenizerTables& tables) {
  return GgufMetadata()
      .text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", pre_of(tables))
      .texts("tokenizer.ggml.merges", tables.merges.value);
}

/// Changes `kinds` to SentencePiece's.
GgufMetadata sentencepiece(const TokenizerTables& tables, std::vector<int32_t>& kinds) {
  SentencePieceKeys keys = sentencepiece_keys(tables);
  std::copy(keys.kinds.begin(), keys.kinds.end(), kinds.begin());
  constexpr double of_no_token = -10000;  // as in llama.cpp's converter
  keys.scores.resize(kinds.size(), of_no_token);
  GgufMetadata metadata;
  metadata.text("tokenizer.ggml.model", "llama")
      .text("tokenizer.ggml.pre", "default")
      .numbers("tokenizer.ggml.scores", keys.scores)
      .boolean("tokenizer.ggml.add_space_prefix", keys.blank_before);
  if (keys.unknown >= 0)
    metadata.natural("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(keys.unknown));
  return metadata;
}

}  // namespace

GgufMetadata vocabulary_keys(const TokenizerTables& tables) {
  check(tables);
  const auto used = tables.tokens.value;
  const size_t rows = std::max(used.size(), static_cast<size_t>(tables.vocabulary));
  std::vector<std::string> tokens(used.begin(), used.end());
  std::vector<int32_t> kinds(tables.kinds.value.begin(), tables.kinds.value.end());
  tokens.resize(rows);
  kinds.resize(rows, static_cast<int32_t>(TokenKind::unused));
  for (size_t id = 0; id < rows; ++id) {
    if (tokens[id].empty()) tokens[id] = "[PAD" + std::to_string(id) + "]";  // as llama.cpp's converter does
  }
  GgufMetadata metadata =
      tables.alphabet == TokenAlphabet::bytes ? byte_level(tables) : sentencepiece(tables, kinds);
  metadata.texts("tokenizer.ggml.tokens", tokens).integers("tokenizer.ggml.token_type", kinds);
  auto named = [&](const char* key, const std::string& token) {
    const auto found = std::find(used.begin(), used.end(), token);
    if (!token.empty() && found != used.end())
      metadata.natural(key, static_cast<uint32_t>(found - used.begin()));
  };
  named("tokenizer.ggml.bos_token_id", tables.bos_token);
  named("tokenizer.ggml.eos_token_id", tables.eos_token);
  metadata.boolean("tokenizer.ggml.add_bos_token", tables.add_bos);
  if (tables.chat_template.value) metadata.text("tokenizer.chat_template", *tables.chat_template.value);
  return metadata;
}

}  // namespace apportion
