// What a model's files say about its tokens, in whatever form: tokenizer.h and chat_template.h read it,
// model_files/ fills it in.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"

namespace apportion {

/// A table and the byte where its file describes it, for messages.
template <typename Value>
struct PlacedTable {
  Value value;
  uint64_t offset = 0;
};

/// One step in changing a text before it is cut into words (normalizer.h).
struct NormalizerStep {
  enum class Kind { nfc, nfkc, replace, prepend };
  Kind kind;
  std::string pattern;  // replace: the text to replace, not empty
  std::string content;  // replace, prepend: the text to put there
};

/// What becomes of the places where a pattern matches; the names are Hugging Face's.
enum class SplitBehaviour { isolated, removed, merged_with_previous, merged_with_next, contiguous };

/// Where a blank is put before text that has none: nowhere, at the very beginning of a text, or before each
/// part that special tokens leave.
enum class BlankBefore { never, first, always };

/// One step in cutting a text into words (pre_tokenizer.h).
struct PreTokenizerStep {
  /// By a regular expression, a text, digits, or metaspace (SentencePiece's sign for a blank); blank_before
  /// only puts a blank before each word.
  enum class Kind { regex, text, digits, metaspace, blank_before };
  Kind kind;
  std::string pattern;  // regex, text; metaspace: the sign
  SplitBehaviour behaviour = SplitBehaviour::isolated;
  bool invert = false;                     // regex, text: what lies between matches counts as the matches
  bool split = true;                       // metaspace
  BlankBefore blank = BlankBefore::never;  // metaspace
};

/// What tokens are written in: GPT-2's characters for bytes (byte-level BPE), or the text's own
/// (SentencePiece).
enum class TokenAlphabet { bytes, characters };

/// Kinds of tokens, numbered as in GGUF files (ggml's llama_token_type). Control tokens are special;
/// user-defined ones are found unchanged in a text before anything else, but are part of it.
enum class TokenKind : int64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// How a control or a user-defined token is found in a text.
struct AddedTokenRule {
  bool normalized = false;    // in the normalized text, and its name is normalized too
  bool blanks_left = false;   // takes the blanks before it
  bool blanks_right = false;  // takes the blanks after it
};

/// Byte-pair encoding. Views live as long as whatever filled them in.
struct TokenizerTables {
  std::string file;
  std::string pre_tokenizer_name;  // everything that decides the cuts, as the file writes it
  std::vector<NormalizerStep> normalizer;
  PlacedTable<std::vector<PreTokenizerStep>> pre_tokenizer;

  TokenAlphabet alphabet = TokenAlphabet::bytes;
  bool ignore_merges = false;     // a word that is a token is that token, whatever merges would make of it
  bool byte_fallback = false;     // a character that is no token is its bytes' tokens <0x00> to <0xFF>
  bool fuse_unknown = false;      // neighbours that are no tokens become one unknown token
  int32_t unknown = -1;           // the token for text that is none; -1: such text vanishes
  std::string blank_sign;         // what stands for a blank in the tokens' texts; empty: a blank
  bool drop_first_blank = false;  // decode() drops a leading blank, which encode() puts there

  PlacedTable<std::span<const std::string>> tokens;  // by id; empty where an id is not used
  PlacedTable<std::span<const int64_t>> kinds;       // by id: TokenKind
  PlacedTable<std::span<const std::string>> merges;  // by rank: two tokens with a space between
  PlacedTable<std::span<const double>> scores;       // by id; not empty: SentencePiece's, instead of merges
  std::map<int32_t, AddedTokenRule> added_rules;     // for tokens with rules other than the defaults
  PlacedTable<std::optional<std::string_view>> chat_template;  // Jinja
  std::string template_file;                                   // when the tokens' file has no template

  std::string bos_token;  // empty when the files name none
  std::string eos_token;
  bool add_bos = false;  // whether the model wants bos_token before every text; encode() does not add it

  int32_t vocabulary = 0;  // rows of the model's embedding, when there may be more than tokens; 0: as many
  int32_t folded_to = 0;   // a vocabulary whose weights know nothing of this table; 0: the table's own

  template <typename Value>
  [[noreturn]] void fail(const PlacedTable<Value>& at, const std::string& message) const {
    throw DataError(file, at.offset, message);
  }
  /// What a chat template is called in its file: in a GGUF file it is a key, like all others.
  std::string template_name() const {
    return template_file.empty() ? "tokenizer.chat_template" : "chat_template";
  }
  /// Throws at the chat template, which may have a file of its own.
  [[noreturn]] void fail_template(const std::string& message) const {
    throw DataError(template_file.empty() ? file : template_file, chat_template.offset, message);
  }
};

}  // namespace apportion
