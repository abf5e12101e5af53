#include "shared/tokens/tokenizer.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "shared/base/error.h"
#include "shared/tokens/added_tokens.h"
#include "shared/tokens/bpe.h"
#include "shared/tokens/normalizer.h"
#include "shared/tokens/pre_tokenizer.h"
#include "shared/tokens/token_table.h"

namespace apportion {

struct Tokenizer::Parts {
  TokenTable table;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  AddedTokens added;             // found in the text as it is
  AddedTokens added_normalized;  // found in the normalized text
  bool drop_first_blank;
  bool folded;
  std::unordered_map<std::string_view, int32_t> special_ids;  // the names live in the table

  explicit Parts(const TokenizerTables& tables)
      : table(tables),
        normalizer(tables.normalizer),
        pre_tokenizer(tables),
        bpe(tables, table),
        added(tables, table, normalizer, false),
        added_normalized(tables, table, normalizer, true),
        drop_first_blank(tables.drop_first_blank),
        folded(tables.folded_to > 0) {
    table.forget_table_texts();
    for (size_t index = 0; index < table.size(); ++index) {
      const auto id = static_cast<int32_t>(index);
      if (table.is_special(id)) special_ids.emplace(table.meaning(id), id);
    }
  }

  /// Appends the tokens of normalized text without added tokens.
  void encode_words(AlignedText text, std::vector<TokenSpan>& out) const {
    std::vector<BpePiece> pieces;
    const std::vector<WordSpan> words = pre_tokenizer.words(text);
    bpe.encode(text.text(), words, pieces);
    for (const BpePiece& piece : pieces) {
      const WordSpan place = text.origin(piece.begin, piece.end);
      out.push_back({piece.id, place.begin, place.end});
    }
  }
};

namespace {

/// The part [begin, end) of a text.
AlignedText part_of(const AlignedText& text, uint32_t begin, uint32_t end) {
  TextEdit edit(text);
  edit.keep(begin, end);
  return edit.finish();
}

/// What a special token's name at the bytes [begin, end) of the parts' text is.
AddedTokens::Name name_in(const std::vector<TextPart>& parts, uint32_t begin, uint32_t end) {
  uint64_t first = 0;
  for (const TextPart& part : parts) {
    const uint64_t last = first + part.text.size();
    if (begin < last) {
      if (end > last) return AddedTokens::Name::none;
      return part.special == SpecialTokens::parse ? AddedTokens::Name::token : AddedTokens::Name::plain;
    }
    first = last;
  }
  return AddedTokens::Name::none;
}

}  // namespace

Tokenizer::Tokenizer(const TokenizerTables& tables) : parts_(std::make_unique<Parts>(tables)) {
  const auto size = static_cast<int32_t>(parts_->table.size());
  if (tables.vocabulary > 0 && tables.vocabulary < size) {
    tables.fail(tables.tokens, "there are " + std::to_string(size) + " tokens, and the model has rows for " +
                                   std::to_string(tables.vocabulary));
  }
  vocabulary_ = tables.folded_to > 0 ? tables.folded_to : std::max(size, tables.vocabulary);
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

void Tokenizer::encode_run(std::string_view text, uint32_t begin, uint32_t end,
                           const std::vector<TextPart>& parts, std::vector<TokenSpan>& out) const {
  if (begin == end) return;
  AlignedText aligned(text.substr(begin, end - begin), begin);
  parts_->normalizer.apply(aligned);
  const auto reading = [&](uint32_t first, uint32_t last) {
    const WordSpan place = aligned.origin(first, last);
    return name_in(parts, place.begin, place.end);
  };
  uint32_t from = 0;
  while (auto match = parts_->added_normalized.next(aligned.text(), from, reading)) {
    parts_->encode_words(part_of(aligned, from, match->begin), out);
    const WordSpan place = aligned.origin(match->begin, match->end);
    out.push_back({match->id, place.begin, place.end});
    from = match->end;
  }
  parts_->encode_words(from == 0 ? std::move(aligned) : part_of(aligned, from, aligned.size()), out);
}

std::vector<TokenSpan> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  return encode({{std::string(text), special}});
}

std::vector<TokenSpan> Tokenizer::encode(const std::vector<TextPart>& parts) const {
  std::string text;
  for (const TextPart& part : parts) text += part.text;
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max() / 8)) {
    throw UserError("a text of " + std::to_string(text.size()) +
                    " bytes is too long to encode; 2^28 - 1 is the most");
  }
  std::vector<TokenSpan> out;
  uint32_t from = 0;
  const auto reading = [&](uint32_t begin, uint32_t end) { return name_in(parts, begin, end); };
  while (auto match = parts_->added.next(text, from, reading)) {
    encode_run(text, from, match->begin, parts, out);
    out.push_back({match->id, match->begin, match->end});
    from = match->end;
  }
  encode_run(text, from, static_cast<uint32_t>(text.size()), parts, out);
  for (TokenSpan& token : out) token.id %= vocabulary_;
  return out;
}

int32_t Tokenizer::index_of(int32_t id) const {
  ensure(id >= 0 && id < vocabulary_, "a token's id is in the vocabulary");
  const auto size = static_cast<int32_t>(parts_->table.size());
  if (id < size) return id;
  return parts_->folded ? id % size : -1;
}

std::string_view Tokenizer::bytes(int32_t id) const {
  const int32_t index = index_of(id);
  return index < 0 ? std::string_view() : parts_->table.meaning(index);
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids) const {
  std::string text;
  for (int32_t id : ids) {
    if (!is_special(id)) text += bytes(id);
  }
  if (parts_->drop_first_blank && !text.empty() && text[0] == ' ') text.erase(0, 1);
  return text;
}

bool Tokenizer::is_special(int32_t id) const {
  const int32_t index = index_of(id);
  return index >= 0 && parts_->table.is_special(index);
}

std::optional<int32_t> Tokenizer::special_id(std::string_view name) const {
  auto found = parts_->special_ids.find(name);
  if (found == parts_->special_ids.end()) return {};
  return found->second % vocabulary_;
}

}  // namespace apportion
