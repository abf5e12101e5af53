// tokenizer.json, the format of Hugging Face's library `tokenizers`, for models with byte-pair encoding:
// byte-level (Llama 3, Qwen2, SmolLM2, GPT-2) and SentencePiece's as converted (Gemma 2, Llama 2).
// shared/tokens makes tokens of text; other readers handle config.json and tokenizer_config.json.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/model_files/folder/json_node.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

class TokenizerJson {
 public:
  /// Reads and checks the file. Throws UserError when it cannot be opened, DataError with the key and its
  /// byte for damage, and for anything unknown here that would change tokens.
  explicit TokenizerJson(const std::string& path);
  TokenizerJson(const TokenizerJson&) = delete;
  TokenizerJson& operator=(const TokenizerJson&) = delete;

  /// Views that live as long as this. The caller adds chat_template, eos_token and vocabulary (the model's
  /// rows), which are in other files. bos_token and add_bos are the post-processor's, if any.
  TokenizerTables tables() const;

 private:
  void read_model(const JsonNode& model);
  void read_vocabulary(const JsonNode& vocabulary);
  void add_token(const JsonNode& place, const std::string& text, uint64_t id, TokenKind kind);
  void read_added_tokens(const JsonNode& list);
  void read_added_token(const JsonNode& token);
  void read_merges(const JsonNode& merges);
  void read_unknown(const JsonNode& model);
  void read_decoder(const JsonNode& decoder);
  void read_post_processor(const JsonNode& processor);
  void read_template(const JsonNode& processor);
  void check_decoder_sign(const JsonNode& node, const std::string& sign) const;
  int64_t id_of(const std::string& text) const;

  size_t most_ids_ = 0;
  uint64_t next_added_ = 0;          // the id that the library gives the next token missing from the
                                     // vocabulary
  std::vector<std::string> tokens_;  // by id; empty: unused
  std::vector<int64_t> kinds_;
  std::vector<std::string> merges_;
  std::unordered_map<std::string, int32_t> ids_;  // only while reading
  TokenizerTables tables_;                        // its spans are filled in by tables()
};

}  // namespace apportion
