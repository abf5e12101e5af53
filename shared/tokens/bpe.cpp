// Within a word the merge of the lowest rank goes first, the leftmost among equals. With scores, two tokens
// merge when their joined texts are a token, and the highest score goes first.
#include "shared/tokens/bpe.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <unordered_map>

#include "shared/tokens/merges.h"

namespace apportion {
namespace {

struct Merge {
  int32_t rank;
  int32_t id;
};

using Merges = std::unordered_map<uint64_t, Merge>;

/// A piece of a word during merging; `next` is the piece to the right, -1 at the end. An id of -1 means text
/// that is no token.
struct Piece {
  int32_t id;
  uint32_t begin;
  uint32_t end;
  int32_t previous;
  int32_t next;
  bool gone = false;  // merged into its left neighbour
};

/// A merge that was possible when it was noted, of the piece at `index` and the one to its right.
struct Candidate {
  int32_t rank;
  int32_t index;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : index > other.index;
  }
};

/// Merges the pieces of one word after another. `Find` gives the merge of two neighbours, with rank -1 when
/// there is none.
template <typename Find>
class WordMerger {
 public:
  explicit WordMerger(Find find) : find_(std::move(find)) {}

  std::vector<Piece>& pieces() { return pieces_; }

  void add(int32_t id, uint32_t begin, uint32_t end) {
    const auto index = static_cast<int32_t>(pieces_.size());
    pieces_.push_back({id, begin, end, index - 1, index + 1});
  }

  void run() {
    if (pieces_.empty()) return;
    pieces_.back().next = -1;
    for (size_t i = 0; i + 1 < pieces_.size(); ++i) note(static_cast<int32_t>(i));
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      const Merge merge = merge_at(candidate.index);
      if (merge.rank == candidate.rank) apply(candidate.index, merge.id);
    }
  }

 private:
  Piece& piece(int32_t index) { return pieces_[static_cast<size_t>(index)]; }

  /// The merge of a piece with its right neighbour, as they are now.
  Merge merge_at(int32_t index) {
    const Piece& left = piece(index);
    if (left.gone || left.next < 0) return {-1, -1};
    return find_(left, piece(left.next));
  }

  void note(int32_t index) {
    const Merge merge = merge_at(index);
    if (merge.rank >= 0) queue_.push({merge.rank, index});
  }

  void apply(int32_t index, int32_t id) {
    Piece& left = piece(index);
    Piece& right = piece(left.next);
    left.id = id;
    left.end = right.end;
    left.next = right.next;
    right.gone = true;
    if (left.next >= 0) piece(left.next).previous = index;
    note(index);
    if (left.previous >= 0) note(left.previous);
  }

  Find find_;
  std::vector<Piece> pieces_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

/// Whether each of the bytes [begin, end) is a token.
bool has_bytes(const TokenTable& table, std::string_view text, uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; ++i) {
    if (table.of_byte(static_cast<uint8_t>(text[i])) < 0) return false;
  }
  return true;
}

Merges merges_of(const TokenizerTables& tables, const TokenTable& table) {
  Merges merges;
  merges.reserve(tables.merges.value.size());
  each_merge(tables, table, [&](size_t rank, int32_t left, int32_t right, int32_t id) {
    auto fail = [&](const std::string& reason) {
      tables.fail(tables.merges, "merge " + std::to_string(rank) + " " + reason);
    };
    if (table.is_special(id)) {
      if (tables.alphabet == TokenAlphabet::bytes) fail("makes a special token");
      // Converters of SentencePiece list every pair of texts that makes a token; but no text may make a mark.
      return;
    }
    if (!merges.emplace(pair_key(left, right), Merge{static_cast<int32_t>(rank), id}).second)
      fail("appears twice");
  });
  return merges;
}

/// The place of each token's score among all scores, highest first; equal scores share a place.
std::vector<int32_t> read_scores(const TokenizerTables& tables, const TokenTable& table) {
  const std::span<const double> scores = tables.scores.value;
  if (scores.size() != table.size()) {
    tables.fail(tables.scores, "there are " + std::to_string(scores.size()) + " scores for " +
                                   std::to_string(table.size()) + " tokens");
  }
  std::vector<double> sorted(scores.begin(), scores.end());
  if (std::any_of(sorted.begin(), sorted.end(), [](double score) { return std::isnan(score); }))
    tables.fail(tables.scores, "a token's score is not a number");
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<int32_t> ranks;
  ranks.reserve(scores.size());
  for (double score : scores) {
    auto found = std::lower_bound(sorted.begin(), sorted.end(), score, std::greater<>());
    ranks.push_back(static_cast<int32_t>(found - sorted.begin()));
  }
  return ranks;
}

}  // namespace

struct Bpe::Rules {
  const TokenTable& table;
  TokenAlphabet alphabet;
  bool ignore_merges;
  bool byte_fallback;
  bool fuse_unknown;
  int32_t unknown;
  Merges merges;
  std::vector<int32_t> score_ranks;  // by id; empty: merges

  template <typename Merger>
  void add_pieces(std::string_view text, WordSpan word, Merger& merger) const;
  template <typename Merger>
  void encode(std::string_view text, const std::vector<WordSpan>& words, Merger merger,
              std::vector<BpePiece>& out) const;
  void append(std::string_view text, const Piece& piece, std::vector<BpePiece>& out) const;
};

/// The pieces that a word's merges start from: its bytes, or its characters, with replacements for those that
/// are no tokens.
template <typename Merger>
void Bpe::Rules::add_pieces(std::string_view text, WordSpan word, Merger& merger) const {
  std::vector<Piece>& pieces = merger.pieces();
  bool after_unknown = false;
  for (uint32_t begin = word.begin, end = 0; begin < word.end; begin = end) {
    const bool bytes = alphabet == TokenAlphabet::bytes;
    end = bytes ? begin + 1 : begin + character_size(text.substr(0, word.end), begin);
    const int32_t id = bytes ? table.of_byte(static_cast<uint8_t>(text[begin]))
                             : table.of_piece(text.substr(begin, end - begin));
    if (id >= 0 || !score_ranks.empty()) {
      merger.add(id, begin, end);
      after_unknown = false;
    } else if (byte_fallback && has_bytes(table, text, begin, end)) {
      for (uint32_t i = begin; i < end; ++i)
        merger.add(table.of_byte(static_cast<uint8_t>(text[i])), i, i + 1);
      after_unknown = false;
    } else if (unknown >= 0) {
      // Text that is no token and has no replacement vanishes before the merges, as in the reference.
      if (after_unknown && fuse_unknown) {
        pieces.back().end = end;
      } else {
        merger.add(unknown, begin, end);
      }
      after_unknown = true;
    }
  }
}

/// Appends a merged piece as tokens; with scores, a piece that is no token falls back only here.
void Bpe::Rules::append(std::string_view text, const Piece& piece, std::vector<BpePiece>& out) const {
  if (piece.id >= 0) {
    out.push_back({piece.id, piece.begin, piece.end});
  } else if (byte_fallback && has_bytes(table, text, piece.begin, piece.end)) {
    for (uint32_t i = piece.begin; i < piece.end; ++i)
      out.push_back({table.of_byte(static_cast<uint8_t>(text[i])), i, i + 1});
  } else if (unknown >= 0) {
    const bool fuses =
        fuse_unknown && !out.empty() && out.back().id == unknown && out.back().end == piece.begin;
    if (fuses) {
      out.back().end = piece.end;
    } else {
      out.push_back({unknown, piece.begin, piece.end});
    }
  }
}

template <typename Merger>
void Bpe::Rules::encode(std::string_view text, const std::vector<WordSpan>& words, Merger merger,
                        std::vector<BpePiece>& out) const {
  for (const WordSpan& word : words) {
    if (ignore_merges) {
      const int32_t id = table.of_piece(text.substr(word.begin, word.end - word.begin));
      if (id >= 0) {
        out.push_back({id, word.begin, word.end});
        continue;
      }
    }
    std::vector<Piece>& pieces = merger.pieces();
    pieces.clear();
    add_pieces(text, word, merger);
    if (pieces.empty()) continue;
    merger.run();
    for (int32_t i = 0; i >= 0; i = pieces[static_cast<size_t>(i)].next)
      append(text, pieces[static_cast<size_t>(i)], out);
  }
}

Bpe::Bpe(const TokenizerTables& tables, const TokenTable& table) {
  const bool scored = !tables.scores.value.empty();
  rules_ = std::make_unique<Rules>(Rules{table, tables.alphabet, tables.ignore_merges, tables.byte_fallback,
                                         tables.fuse_unknown, tables.unknown,
                                         scored ? Merges{} : merges_of(tables, table),
                                         scored ? read_scores(tables, table) : std::vector<int32_t>{}});
  if (tables.unknown >= static_cast<int32_t>(table.size())) {
    tables.fail(tables.tokens, "the unknown token has id " + std::to_string(tables.unknown) + "; there are " +
                                   std::to_string(table.size()) + " tokens");
  }
}

Bpe::~Bpe() = default;

void Bpe::encode(std::string_view text, const std::vector<WordSpan>& words,
                 std::vector<BpePiece>& out) const {
  if (!rules_->score_ranks.empty()) {
    auto by_score = [this, text](const Piece& left, const Piece& right) -> Merge {
      const int32_t id = rules_->table.of_piece(text.substr(left.begin, right.end - left.begin));
      return id < 0 ? Merge{-1, -1} : Merge{rules_->score_ranks[static_cast<size_t>(id)], id};
    };
    rules_->encode(text, words, WordMerger(by_score), out);
    return;
  }
  auto by_rank = [this](const Piece& left, const Piece& right) -> Merge {
    auto found = rules_->merges.find(pair_key(left.id, right.id));
    return found == rules_->merges.end() ? Merge{-1, -1} : found->second;
  };
  rules_->encode(text, words, WordMerger(by_rank), out);
}

}  // namespace apportion
