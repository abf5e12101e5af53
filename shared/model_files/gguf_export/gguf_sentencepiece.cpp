#include "shared/model_files/gguf_export/gguf_sentencepiece.h"

#include <algorithm>
#include <string>

#include "shared/model_files/gguf_export/merge_order.h"

namespace apportion {
namespace {

constexpr const char* blank_sign = "\u2581";

bool is_sign_for_blanks(const NormalizerStep& step) {
  return step.kind == NormalizerStep::Kind::replace && step.pattern == " " && step.content == blank_sign;
}

bool is_sign_before(const NormalizerStep& step) {
  return step.kind == NormalizerStep::Kind::prepend && step.content == blank_sign;
}

/// Gemma's files cut after blanks, at a point where there are none any more.
bool cuts_nothing(const PreTokenizerStep& step) {
  return step.kind == PreTokenizerStep::Kind::text && step.pattern == " " && !step.invert;
}

bool is_sign_alone(const PreTokenizerStep& step) {
  return step.kind == PreTokenizerStep::Kind::metaspace && step.pattern == blank_sign && !step.split &&
         step.blank == BlankBefore::never;
}

/// Whether a blank is put before each text.
bool has_blank_before(const TokenizerTables& tables) {
  const std::vector<NormalizerStep>& normalizer = tables.normalizer;
  const std::vector<PreTokenizerStep>& steps = tables.pre_tokenizer.value;
  if (normalizer.empty() && steps.size() == 1 && is_sign_alone(steps[0])) return false;
  const bool before = normalizer.size() == 2 && is_sign_before(normalizer[0]);
  const bool known = (before || normalizer.size() == 1) && is_sign_for_blanks(normalizer.back()) &&
                     std::all_of(steps.begin(), steps.end(), cuts_nothing);
  if (!known) {
    tables.fail(
        tables.pre_tokenizer,
        "the text is changed or cut before its tokens are found in a way that a GGUF file of a vocabulary of "
        "characters cannot say; it can only turn blanks to U+2581, with one before each text or none");
  }
  return before;
}

void check_decoder(const TokenizerTables& tables, bool blank_before) {
  if (tables.drop_first_blank == blank_before) return;
  tables.fail(tables.tokens, std::string("the decoder ") + (blank_before ? "leaves" : "drops") +
                                 " a blank at a text's beginning, and readers of GGUF files do the opposite");
}

bool has_all_bytes(const TokenizerTables& tables) {
  const auto byte = static_cast<int64_t>(TokenKind::byte);
  return tables.byte_fallback &&
         std::count(tables.kinds.value.begin(), tables.kinds.value.end(), byte) == 256;
}

/// The kinds, with the unknown token marked as such if it is special.
std::vector<int64_t> kinds_of(const TokenizerTables& tables) {
  std::vector<int64_t> kinds(tables.kinds.value.begin(), tables.kinds.value.end());
  const bool is_special = tables.unknown >= 0 && kinds[static_cast<size_t>(tables.unknown)] ==
                                                     static_cast<int64_t>(TokenKind::control);
  if (is_special) {
    kinds[static_cast<size_t>(tables.unknown)] = static_cast<int64_t>(TokenKind::unknown);
  } else if (!has_all_bytes(tables)) {
    tables.fail(tables.tokens,
                "there are neither tokens for all bytes (byte_fallback) nor a special token for what is "
                "unknown (unk_token), one of which a GGUF file needs");
  }
  if (!has_all_bytes(tables) && !tables.fuse_unknown) {
    tables.fail(tables.tokens,
                "each unknown character is a token of its own (fuse_unk), and readers of GGUF files make one "
                "token of neighbours");
  }
  return kinds;
}

/// 0 for the token merged first, -1 for the next, and the lowest for all that are not merged.
std::vector<double> scores_of(const std::vector<int32_t>& ranks) {
  std::vector<size_t> made;
  for (size_t id = 0; id < ranks.size(); ++id) {
    if (ranks[id] >= 0) made.push_back(id);
  }
  std::sort(made.begin(), made.end(), [&](size_t a, size_t b) { return ranks[a] < ranks[b]; });
  std::vector<double> scores(ranks.size(), -static_cast<double>(made.size()));
  for (size_t place = 0; place < made.size(); ++place) scores[made[place]] = -static_cast<double>(place);
  return scores;
}

}  // namespace

SentencePieceKeys sentencepiece_keys(const TokenizerTables& tables) {
  const bool blank_before = has_blank_before(tables);
  check_decoder(tables, blank_before);
  std::vector<int64_t> kinds = kinds_of(tables);
  return {blank_before, tables.unknown, std::move(kinds), scores_of(merge_order(tables))};
}

}  // namespace apportion
