#include "shared/tokens/added_tokens.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace apportion {
namespace {

/// Where the blanks that end at `end` begin, but no further left than `least`.
uint32_t blanks_before(std::string_view text, uint32_t least, uint32_t end) {
  const char* data = text.data();
  auto at = static_cast<int32_t>(end);
  while (at > static_cast<int32_t>(least)) {
    int32_t before = at;
    UChar32 character = 0;
    U8_PREV(data, static_cast<int32_t>(least), before, character);
    if (character < 0 || !u_isUWhiteSpace(character)) break;
    at = before;
  }
  return static_cast<uint32_t>(at);
}

/// Where the blanks that begin at `begin` end.
uint32_t blanks_behind(std::string_view text, uint32_t begin) {
  const char* data = text.data();
  const auto size = static_cast<int32_t>(text.size());
  auto at = static_cast<int32_t>(begin);
  while (at < size) {
    int32_t next = at;
    UChar32 character = 0;
    U8_NEXT(data, next, size, character);
    if (character < 0 || !u_isUWhiteSpace(character)) break;
    at = next;
  }
  return static_cast<uint32_t>(at);
}

}  // namespace

AddedTokens::AddedTokens(const TokenizerTables& tables, const TokenTable& table, const Normalizer& normalizer,
                         bool normalized) {
  for (size_t index = 0; index < table.size(); ++index) {
    const auto id = static_cast<int32_t>(index);
    const TokenKind kind = table.kind(id);
    if (!table.is_special(id) && kind != TokenKind::user_defined) continue;
    const auto found = tables.added_rules.find(id);
    const AddedTokenRule rule = found == tables.added_rules.end() ? AddedTokenRule{} : found->second;
    if (rule.normalized != normalized) continue;
    const std::string& text = tables.tokens.value[index];
    tokens_.push_back({id, normalized ? normalizer.normalize(text) : text, table.is_special(id), rule});
  }
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (!tokens_[i].name.empty()) by_first_[static_cast<uint8_t>(tokens_[i].name[0])].push_back(i);
  }
  for (std::vector<size_t>& places : by_first_) {
    std::stable_sort(places.begin(), places.end(),
                     [&](size_t a, size_t b) { return tokens_[a].name.size() > tokens_[b].name.size(); });
  }
}

std::optional<AddedMatch> AddedTokens::next(std::string_view text, uint32_t from,
                                            const Reading& reading) const {
  if (tokens_.empty()) return {};
  const auto size = static_cast<uint32_t>(text.size());
  for (uint32_t i = from; i < size; ++i) {
    for (size_t place : by_first_[static_cast<uint8_t>(text[i])]) {
      const AddedToken& token = tokens_[place];
      if (text.compare(i, token.name.size(), token.name) != 0) continue;
      const uint32_t end = i + static_cast<uint32_t>(token.name.size());
      const Name name = token.special ? reading(i, end) : Name::token;
      if (name == Name::none) continue;
      if (name == Name::plain) {
        i = end - 1;
        break;
      }
      return AddedMatch{token.id, token.rule.blanks_left ? blanks_before(text, from, i) : i,
                        token.rule.blanks_right ? blanks_behind(text, end) : end};
    }
  }
  return {};
}

}  // namespace apportion
