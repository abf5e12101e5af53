#include "shared/model_files/gguf_export/merge_order.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shared/base/utf8.h"
#include "shared/tokens/aligned_text.h"
#include "shared/tokens/merges.h"
#include "shared/tokens/token_table.h"

namespace apportion {
namespace {

struct Merge {
  int32_t rank, id;
};

class MergeOrder {
 public:
  explicit MergeOrder(const TokenizerTables& tables) : tables_(tables), table_(tables) { note_merges(); }

  std::vector<int32_t> ranks() const {
    std::vector<int32_t> ranks(table_.size(), -1);
    for (size_t index = 0; index < ranks.size(); ++index) {
      const auto id = static_cast<int32_t>(index);
      if (is_piece(id)) ranks[index] = rank_of(id);
    }
    return ranks;
  }

 private:
  /// Whether a text may have it between special tokens.
  bool is_piece(int32_t id) const {
    return table_.kind(id) == TokenKind::normal || table_.kind(id) == TokenKind::user_defined;
  }

  const std::string& text_of(int32_t id) const { return tables_.tokens.value[static_cast<size_t>(id)]; }

  /// Notes the merges that can happen: pieces of a text are made of characters.
  void note_merges() {
    merges_.reserve(tables_.merges.value.size());
    each_merge(tables_, table_, [&](size_t rank, int32_t left, int32_t right, int32_t id) {
      for (const int32_t part : {left, right, id}) {
        if (table_.kind(part) == TokenKind::byte || part == tables_.unknown)
          fail_merge(rank, "is of, or makes, " + text_in_message(text_of(part)) +
                               ", which stands for a byte or for unknown characters");
      }
      if (is_piece(id)) merges_.emplace(pair_key(left, right), Merge{static_cast<int32_t>(rank), id});
    });
  }

  Merge merge_of(int32_t left, int32_t right) const {
    const auto found = merges_.find(pair_key(left, right));
    return found == merges_.end() ? Merge{std::numeric_limits<int32_t>::max(), -1} : found->second;
  }

  /// The characters of a token's text; empty when one of them is no token.
  std::vector<int32_t> characters_of(const std::string& text) const {
    std::vector<int32_t> pieces;
    for (uint32_t begin = 0, size = 0; begin < text.size(); begin += size) {
      size = character_size(text, begin);
      pieces.push_back(table_.of_piece(std::string_view(text).substr(begin, size)));
      if (pieces.back() < 0) return {};
    }
    return pieces;
  }

  int32_t rank_of(int32_t id) const {
    const std::string& text = text_of(id);
    if (character_size(text, 0) == text.size()) return -1;
    std::vector<int32_t> pieces = characters_of(text);
    if (pieces.empty() && !is_found_before(id)) fail_token(id, "has a character that is not a token");
    int32_t last = -1;
    while (pieces.size() > 1) {
      size_t place = 0;
      Merge best = merge_of(pieces[0], pieces[1]);
      for (size_t i = 1; i + 1 < pieces.size(); ++i) {
        const Merge merge = merge_of(pieces[i], pieces[i + 1]);
        if (merge.rank < best.rank) {
          best = merge;
          place = i;
        }
      }
      if (best.id < 0) break;
      last = best.rank;
      pieces[place] = best.id;
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    }
    if (pieces.size() == 1) return last;
    if (pieces.size() == 2 && !is_found_before(id)) {
      fail_token(id, "comes from no merge, but from the tokens " + text_in_message(text_of(pieces[0])) +
                         " and " + text_in_message(text_of(pieces[1])) + " side by side");
    }
    if (tables_.ignore_merges && !pieces.empty())
      fail_token(id, "comes from no merge, and is a token only as a whole text (ignore_merges)");
    return -1;
  }

  /// User-defined tokens are taken out of a text before blanks become signs and before any merge.
  bool is_found_before(int32_t id) const {
    return table_.kind(id) == TokenKind::user_defined &&
           text_of(id).find(tables_.blank_sign) == std::string::npos;
  }

  [[noreturn]] void fail_token(int32_t id, const std::string& reason) const {
    tables_.fail(tables_.tokens, "the token " + std::to_string(id) + ", " + text_in_message(text_of(id)) +
                                     ", " + reason + ", which the scores of a GGUF file cannot say");
  }

  [[noreturn]] void fail_merge(size_t rank, const std::string& reason) const {
    tables_.fail(tables_.merges, "merge " + std::to_string(rank) + " " + reason +
                                     ", which the scores of a GGUF file cannot say");
  }

  const TokenizerTables& tables_;
  const TokenTable table_;
  std::unordered_map<uint64_t, Merge> merges_;
};

}  // namespace

std::vector<int32_t> merge_order(const TokenizerTables& tables) { return MergeOrder(tables).ranks(); }

}  // namespace apportion
