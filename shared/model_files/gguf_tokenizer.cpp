#include "shared/model_files/gguf_tokenizer.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "shared/model_files/gguf_names.h"
#include "shared/tokens/pre_tokenizer.h"

namespace apportion {
namespace {

constexpr const char *model_key = "tokenizer.ggml.model", *pre_key = "tokenizer.ggml.pre",
                     *tokens_key = "tokenizer.ggml.tokens", *kinds_key = "tokenizer.ggml.token_type",
                     *merges_key = "tokenizer.ggml.merges", *scores_key = "tokenizer.ggml.scores",
                     *chat_key = "tokenizer.chat_template";

/// SentencePiece's sign for a blank, U+2581.
constexpr const char* blank_sign = "\u2581";

/// A way of cutting text into words, by the name that llama.cpp gives it in files of such models.
struct KnownPre {
  const char* name;
  std::string_view pattern;
  bool single_digits;  // before the pattern
  bool composes;       // NFC, which the file does not mention
  bool ignore_merges;
};

constexpr KnownPre known_pres[] = {
    {"smollm", gpt2_pattern, true, false, false},
    {"gpt-2", gpt2_pattern, false, false, false},
    {"llama-bpe", llama3_pattern, false, false, true},
    {"qwen2", qwen2_pattern, false, true, false},
};

PreTokenizerStep regex_step(std::string_view pattern) {
  PreTokenizerStep step;
  step.kind = PreTokenizerStep::Kind::regex;
  step.pattern = pattern;
  return step;
}

std::vector<PreTokenizerStep> steps_of(const KnownPre& known) {
  std::vector<PreTokenizerStep> steps;
  if (known.single_digits) {
    PreTokenizerStep digits;
    digits.kind = PreTokenizerStep::Kind::digits;
    steps.push_back(digits);
  }
  steps.push_back(regex_step(known.pattern));
  return steps;
}

/// Whether both steps cut text the same way; for the kinds of steps in known_pres.
bool is_same_step(const PreTokenizerStep& a, const PreTokenizerStep& b) {
  return a.kind == b.kind && a.pattern == b.pattern && a.behaviour == b.behaviour && a.invert == b.invert;
}

/// Byte-level BPE: the words that tokenizer.ggml.pre names, and merges.
void read_byte_level(const Gguf& gguf, TokenizerTables& tables) {
  if (!gguf.has(pre_key)) {
    gguf.fail(model_key,
              "the file has no tokenizer.ggml.pre, so nothing says how a text is cut into words; take a "
              "newer file of the model, or convert it again (convert_hf_to_gguf.py)");
  }
  const std::string& pre = gguf.text(pre_key);
  const auto* known = std::find_if(std::begin(known_pres), std::end(known_pres),
                                   [&](const KnownPre& entry) { return pre == entry.name; });
  if (known == std::end(known_pres)) {
    // "default" too: the converter did not know the model's way, and llama.cpp guesses one.
    gguf.fail(pre_key, "tokenizer.ggml.pre is " + pre + ", a way of cutting a text into words that is not " +
                           "supported; smollm, gpt-2, llama-bpe (Llama 3) and qwen2 are");
  }
  tables.pre_tokenizer_name = pre;
  if (known->composes) tables.normalizer.push_back({NormalizerStep::Kind::nfc, {}, {}});
  tables.pre_tokenizer.offset = gguf.offset(pre_key);
  tables.pre_tokenizer.value = steps_of(*known);
  tables.ignore_merges = known->ignore_merges;
  tables.merges = {gguf.texts(merges_key), gguf.offset(merges_key)};
}

/// A flag of the file, or `otherwise` when it has none.
bool flag(const Gguf& gguf, const char* key, bool otherwise) {
  return gguf.has(key) ? gguf.boolean(key) : otherwise;
}

/// SentencePiece's BPE, as in Llama 2 and Gemma: no words, and scores instead of merges.
void read_sentencepiece(const Gguf& gguf, TokenizerTables& tables) {
  if (gguf.has("tokenizer.ggml.precompiled_charsmap")) {
    gguf.fail("tokenizer.ggml.precompiled_charsmap",
              "tokenizer.ggml.precompiled_charsmap changes characters in a way that is not supported");
  }
  constexpr const char* blanks_key = "tokenizer.ggml.remove_extra_whitespaces";
  if (flag(gguf, blanks_key, false))
    gguf.fail(blanks_key, std::string(blanks_key) + " is true; only false is supported");
  const bool prefix = flag(gguf, "tokenizer.ggml.add_space_prefix", true);
  tables.alphabet = TokenAlphabet::characters;
  tables.pre_tokenizer_name = prefix ? "llama, with a blank before the text" : "llama";
  if (prefix) tables.normalizer.push_back({NormalizerStep::Kind::prepend, {}, blank_sign});
  tables.normalizer.push_back({NormalizerStep::Kind::replace, " ", blank_sign});
  tables.drop_first_blank = prefix;
  tables.blank_sign = blank_sign;
  tables.fuse_unknown = true;
  tables.scores = {gguf.numbers(scores_key), gguf.offset(scores_key)};
  if (tables.scores.value.empty()) gguf.fail(scores_key, "tokenizer.ggml.scores is empty");
  const std::span<const int64_t> kinds = tables.kinds.value;
  auto find = [&](TokenKind kind) {
    return std::find(kinds.begin(), kinds.end(), static_cast<int64_t>(kind));
  };
  tables.byte_fallback = find(TokenKind::byte) != kinds.end();
  const auto unknown = find(TokenKind::unknown);
  if (unknown != kinds.end()) tables.unknown = static_cast<int32_t>(unknown - kinds.begin());
}

/// Phi-3's marks take the blanks after them, and so does </s>, which is not a mark there. Such files do not
/// say so (llama.cpp, src/llama-vocab.cpp).
void read_phi3_marks(TokenizerTables& tables) {
  const size_t count = std::min(tables.kinds.value.size(), tables.tokens.value.size());
  for (size_t id = 0; id < count; ++id) {
    const std::string& name = tables.tokens.value[id];
    const bool is_mark = tables.kinds.value[id] == static_cast<int64_t>(TokenKind::control);
    if ((is_mark && name != "<s>" && name != "<|endoftext|>") || name == "</s>")
      tables.added_rules[static_cast<int32_t>(id)].blanks_right = true;
  }
}

/// The token that a key names by its id; empty when there is no such key.
std::string named_token(const Gguf& gguf, const char* key, const std::vector<std::string>& tokens) {
  if (!gguf.has(key)) return {};
  const uint64_t id = gguf.integer(key);
  if (id >= tokens.size())
    gguf.fail(key, std::string(key) + " is " + std::to_string(id) + ", and there are " +
                       std::to_string(tokens.size()) + " tokens");
  return tokens[id];
}

}  // namespace

std::string gguf_pre(const TokenizerTables& tables) {
  const std::vector<NormalizerStep>& normalizer = tables.normalizer;
  const bool composes = normalizer.size() == 1 && normalizer[0].kind == NormalizerStep::Kind::nfc;
  if (!normalizer.empty() && !composes) return "";
  const std::vector<PreTokenizerStep>& steps = tables.pre_tokenizer.value;
  for (const KnownPre& known : known_pres) {
    const std::vector<PreTokenizerStep> its = steps_of(known);
    if (known.composes == composes && known.ignore_merges == tables.ignore_merges &&
        std::equal(its.begin(), its.end(), steps.begin(), steps.end(), is_same_step))
      return known.name;
  }
  return "";
}

TokenizerTables tokenizer_tables(const Gguf& gguf) {
  TokenizerTables tables;
  tables.file = gguf.path();
  const std::string& model = gguf.text(model_key);
  if (model != "gpt2" && model != "llama") {
    gguf.fail(model_key, "tokenizer.ggml.model is " + model + "; gpt2 (byte-level byte-pair encoding) and " +
                             "llama (SentencePiece's) are supported");
  }
  tables.tokens = {gguf.texts(tokens_key), gguf.offset(tokens_key)};
  tables.kinds = {gguf.integers(kinds_key), gguf.offset(kinds_key)};
  if (model == "gpt2") {
    read_byte_level(gguf, tables);
  } else {
    read_sentencepiece(gguf, tables);
    if (gguf.has(architecture_key) && gguf.text(architecture_key) == "phi3") read_phi3_marks(tables);
  }
  tables.bos_token = named_token(gguf, "tokenizer.ggml.bos_token_id", gguf.texts(tokens_key));
  tables.eos_token = named_token(gguf, "tokenizer.ggml.eos_token_id", gguf.texts(tokens_key));
  // llama.cpp adds one to SentencePiece's texts when the file says nothing.
  tables.add_bos = flag(gguf, "tokenizer.ggml.add_bos_token", model == "llama");
  if (gguf.has(chat_key)) tables.chat_template.value = gguf.text(chat_key);
  tables.chat_template.offset = gguf.offset(chat_key);
  return tables;
}

}  // namespace apportion
