// Byte-pair encoding (Sennrich et al., ACL 2016) over bytes, as GPT-2 and Hugging Face's `tokenizers` do it:
// within a word the merge of the lowest rank goes first, the leftmost of equals. Words are pre_tokenizer.h's.
#include "shared/model_files/tokenizer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <queue>
#include <unordered_map>
#include <utility>

#include "shared/base/error.h"
#include "shared/model_files/pre_tokenizer.h"

namespace apportion {
namespace {

constexpr const char* tokens_key = "tokenizer.ggml.tokens";
constexpr const char* types_key = "tokenizer.ggml.token_type";
constexpr const char* merges_key = "tokenizer.ggml.merges";
constexpr int64_t normal_type = 1;
constexpr int64_t control_type = 3;
constexpr int64_t unused_type = 5;

/// The characters by which GPT-2 writes bytes: printable Latin-1 stands for itself, the other 68 bytes are
/// U+0100 and on, in order. Here from character to byte; -1 for a character that stands for none.
std::array<int, 324> byte_of_character() {
  std::array<int, 324> bytes{};
  bytes.fill(-1);
  size_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[printable ? static_cast<size_t>(byte) : next++] = byte;
  }
  return bytes;
}

/// The bytes that a table's text stands for, or nothing when it is not written in GPT-2's characters.
std::optional<std::string> bytes_of_text(std::string_view text) {
  static const std::array<int, 324> table = byte_of_character();
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    auto lead = static_cast<uint8_t>(text[i]);
    size_t character = lead;
    if (lead >= 0x80) {
      // All of GPT-2's characters lie below U+0800: two bytes in UTF-8.
      if ((lead & 0xE0) != 0xC0 || ++i == text.size() || (static_cast<uint8_t>(text[i]) & 0xC0) != 0x80)
        return {};
      character = ((lead & 0x1FU) << 6) | (static_cast<uint8_t>(text[i]) & 0x3FU);
      if (character < 0x80) return {};
    }
    if (character >= table.size() || table[character] < 0) return {};
    bytes += static_cast<char>(table[character]);
  }
  return bytes;
}

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

struct Merge {
  int32_t rank;
  int32_t id;
};

using Merges = std::unordered_map<uint64_t, Merge>;

/// A piece of a word while it is merged; `next` is the piece to the right, -1 at the end.
struct Piece {
  int32_t id;
  uint32_t begin;
  uint32_t end;
  int32_t previous;
  int32_t next;
};

/// Byte-pair encoding with SmolLM's way of cutting a text into words, or an error that says what there is.
void check_kind(const Gguf& gguf) {
  constexpr const char *model_key = "tokenizer.ggml.model", *pre_key = "tokenizer.ggml.pre";
  const std::string& model = gguf.text(model_key);
  if (model != "gpt2") {
    gguf.fail(model_key, "tokenizer.ggml.model is " + model + (model == "llama" ? " (SentencePiece)" : "") +
                             "; gpt2 (byte-pair encoding) is known here, as models of SmolLM2 have it");
  }
  if (!gguf.has(pre_key)) {
    gguf.fail(model_key,
              "the file has no tokenizer.ggml.pre, so nothing says how a text is cut into words; "
              "take a newer file of the model, or convert it anew (convert_hf_to_gguf.py)");
  }
  if (const std::string& pre = gguf.text(pre_key); pre != "smollm") {
    gguf.fail(pre_key, "tokenizer.ggml.pre is " + pre + ", a way of cutting a text into words that is not " +
                           "known here; smollm is, the one of SmolLM and SmolLM2");
  }
}

/// What ggml calls a kind of token.
std::string kind_of_token(int64_t type) {
  static constexpr const char* names[] = {"undefined",    "normal", "unknown", "control",
                                          "user-defined", "unused", "byte"};
  return type >= 0 && type < static_cast<int64_t>(std::size(names)) ? names[type] : "without a name";
}

/// A merge that was possible when it was noted: of the piece at `index` and the one to its right.
struct Candidate {
  int32_t rank;
  int32_t index;
  bool operator>(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : index > other.index;
  }
};

/// Merges the pieces of one word in place. A piece that went into its left neighbour has id -1.
class WordMerger {
 public:
  WordMerger(const Merges& merges, std::vector<Piece>& pieces) : merges_(merges), pieces_(pieces) {}

  void run() {
    for (size_t i = 0; i + 1 < pieces_.size(); ++i) note(static_cast<int32_t>(i));
    while (!queue_.empty()) {
      Candidate candidate = queue_.top();
      queue_.pop();
      const Merge* merge = merge_at(candidate.index);
      if (merge != nullptr && merge->rank == candidate.rank) apply(candidate.index, merge->id);
    }
  }

 private:
  Piece& piece(int32_t index) { return pieces_[static_cast<size_t>(index)]; }

  /// The merge of a piece with its right neighbour, as they are now.
  const Merge* merge_at(int32_t index) {
    const Piece& left = piece(index);
    if (left.id < 0 || left.next < 0) return nullptr;
    auto found = merges_.find(pair_key(left.id, piece(left.next).id));
    return found == merges_.end() ? nullptr : &found->second;
  }

  void note(int32_t index) {
    const Merge* merge = merge_at(index);
    if (merge != nullptr) queue_.push({merge->rank, index});
  }

  void apply(int32_t index, int32_t id) {
    Piece& left = piece(index);
    Piece& right = piece(left.next);
    left.id = id;
    left.end = right.end;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) piece(left.next).previous = index;
    note(index);
    if (left.previous >= 0) note(left.previous);
  }

  const Merges& merges_;
  std::vector<Piece>& pieces_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

}  // namespace

struct Tokenizer::Tables {
  std::vector<std::string> bytes;  // by id
  std::vector<bool> special;       // by id
  std::array<int32_t, 256> byte_ids{};
  Merges merges;
  std::unordered_map<std::string_view, int32_t> special_ids;  // the names live in `bytes`
  std::array<std::vector<int32_t>, 256> special_by_first;     // the longest names first
  std::unordered_map<std::string_view, int32_t>
      ids_of_texts;  // the texts live in the Gguf: only while reading

  void read_tokens(const Gguf& gguf);
  void add_token(const Gguf& gguf, int32_t id, const std::string& text, int64_t type);
  void index_special();
  void read_merges(const Gguf& gguf);
  int32_t part_id(const Gguf& gguf, std::string_view part, size_t rank) const;

  int32_t special_at(std::string_view text, size_t index) const;
  void encode_words(std::string_view text, uint32_t begin, uint32_t end, std::vector<TokenSpan>& out) const;
};

void Tokenizer::Tables::add_token(const Gguf& gguf, int32_t id, const std::string& text, int64_t type) {
  auto index = static_cast<size_t>(id);
  auto fail = [&](const std::string& reason) {
    gguf.fail(tokens_key, "token " + std::to_string(id) + " " + reason);
  };
  if (text.empty()) fail("has no text");
  if (!ids_of_texts.emplace(text, id).second) fail("has the same text as another token");
  if (type == control_type || type == unused_type) {
    bytes[index] = text;
    special[index] = type == control_type;
    return;
  }
  if (type != normal_type)
    fail("has type " + std::to_string(type) + " (" + kind_of_token(type) +
         "); normal, control and unused (1, 3, 5) are known here");
  std::optional<std::string> meaning = bytes_of_text(text);
  if (!meaning) fail("is not written in GPT-2's characters for bytes");
  if (meaning->size() == 1) byte_ids[static_cast<uint8_t>((*meaning)[0])] = id;
  bytes[index] = std::move(*meaning);
}

void Tokenizer::Tables::read_tokens(const Gguf& gguf) {
  const std::vector<std::string>& texts = gguf.texts(tokens_key);
  const std::vector<int64_t>& types = gguf.integers(types_key);
  if (texts.empty() || texts.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    gguf.fail(tokens_key, "there are " + std::to_string(texts.size()) + " tokens; 1 to 2^31 - 1 is right");
  }
  if (types.size() != texts.size()) {
    gguf.fail(types_key, "there are " + std::to_string(types.size()) + " token types for " +
                             std::to_string(texts.size()) + " tokens");
  }
  bytes.resize(texts.size());
  special.resize(texts.size());
  byte_ids.fill(-1);
  ids_of_texts.reserve(texts.size());
  for (size_t id = 0; id < texts.size(); ++id)
    add_token(gguf, static_cast<int32_t>(id), texts[id], types[id]);
}

void Tokenizer::Tables::index_special() {
  for (size_t id = 0; id < bytes.size(); ++id) {
    if (!special[id]) continue;
    special_ids.emplace(bytes[id], static_cast<int32_t>(id));
    special_by_first[static_cast<uint8_t>(bytes[id][0])].push_back(static_cast<int32_t>(id));
  }
  for (std::vector<int32_t>& ids : special_by_first) {
    std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
      return bytes[static_cast<size_t>(a)].size() > bytes[static_cast<size_t>(b)].size();
    });
  }
}

int32_t Tokenizer::Tables::part_id(const Gguf& gguf, std::string_view part, size_t rank) const {
  auto found = ids_of_texts.find(part);
  if (found == ids_of_texts.end()) {
    gguf.fail(merges_key, "merge " + std::to_string(rank) + " is of or makes a text that is no token");
  }
  return found->second;
}

void Tokenizer::Tables::read_merges(const Gguf& gguf) {
  const std::vector<std::string>& lines = gguf.texts(merges_key);
  merges.reserve(lines.size());
  for (size_t rank = 0; rank < lines.size(); ++rank) {
    std::string_view line = lines[rank];
    size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      gguf.fail(merges_key, "merge " + std::to_string(rank) + " is not two texts with a space between");
    }
    int32_t left = part_id(gguf, line.substr(0, space), rank);
    int32_t right = part_id(gguf, line.substr(space + 1), rank);
    std::string whole(line.substr(0, space));
    whole += line.substr(space + 1);
    Merge merge{static_cast<int32_t>(rank), part_id(gguf, whole, rank)};
    if (special[static_cast<size_t>(merge.id)]) {
      gguf.fail(merges_key, "merge " + std::to_string(rank) + " makes a special token");
    }
    if (!merges.emplace(pair_key(left, right), merge).second) {
      gguf.fail(merges_key, "merge " + std::to_string(rank) + " is there twice");
    }
  }
}

int32_t Tokenizer::Tables::special_at(std::string_view text, size_t index) const {
  for (int32_t id : special_by_first[static_cast<uint8_t>(text[index])]) {
    const std::string& name = bytes[static_cast<size_t>(id)];
    if (text.compare(index, name.size(), name) == 0) return id;
  }
  return -1;
}

void Tokenizer::Tables::encode_words(std::string_view text, uint32_t begin, uint32_t end,
                                     std::vector<TokenSpan>& out) const {
  std::vector<Piece> pieces;
  for (WordSpan word : split_smollm(text.substr(begin, end - begin))) {
    pieces.clear();
    for (uint32_t i = begin + word.begin; i < begin + word.end; ++i) {
      int32_t id = byte_ids[static_cast<uint8_t>(text[i])];
      if (id < 0) continue;  // as the reference does: a byte that is no token vanishes before the merges
      auto index = static_cast<int32_t>(pieces.size());
      pieces.push_back({id, i, i + 1, index - 1, index + 1});
    }
    if (pieces.empty()) continue;
    pieces.back().next = -1;
    WordMerger(merges, pieces).run();
    for (int32_t i = 0; i >= 0; i = pieces[static_cast<size_t>(i)].next) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      out.push_back({piece.id, piece.begin, piece.end});
    }
  }
}

Tokenizer::Tokenizer(const Gguf& gguf) : tables_(std::make_unique<Tables>()) {
  check_kind(gguf);
  tables_->read_tokens(gguf);
  tables_->index_special();
  tables_->read_merges(gguf);
  tables_->ids_of_texts.clear();
  vocabulary_ = static_cast<int32_t>(tables_->bytes.size());
}

void Tokenizer::fold(int32_t vocabulary) {
  ensure(vocabulary > 0, "a vocabulary has tokens");
  vocabulary_ = vocabulary;
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

std::vector<TokenSpan> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw UserError("a text of " + std::to_string(text.size()) +
                    " bytes is too long to encode; 2^31 - 1 is the most");
  }
  std::vector<TokenSpan> out;
  uint32_t begin = 0;
  auto size = static_cast<uint32_t>(text.size());
  if (special == SpecialTokens::parse) {
    for (uint32_t i = 0; i < size; ++i) {
      int32_t id = tables_->special_at(text, i);
      if (id < 0) continue;
      tables_->encode_words(text, begin, i, out);
      begin = i + static_cast<uint32_t>(tables_->bytes[static_cast<size_t>(id)].size());
      out.push_back({id, i, begin});
      i = begin - 1;
    }
  }
  tables_->encode_words(text, begin, size, out);
  for (TokenSpan& token : out) token.id %= vocabulary_;
  return out;
}

size_t Tokenizer::index_of(int32_t id) const {
  ensure(id >= 0 && id < vocabulary_, "a token's id is in the vocabulary");
  return static_cast<size_t>(id) % tables_->bytes.size();
}

std::string_view Tokenizer::bytes(int32_t id) const { return tables_->bytes[index_of(id)]; }

std::string Tokenizer::decode(const std::vector<int32_t>& ids) const {
  std::string text;
  for (int32_t id : ids) {
    if (!is_special(id)) text += bytes(id);
  }
  return text;
}

bool Tokenizer::is_special(int32_t id) const { return tables_->special[index_of(id)]; }

std::optional<int32_t> Tokenizer::special_id(std::string_view name) const {
  auto found = tables_->special_ids.find(name);
  if (found == tables_->special_ids.end()) return {};
  return found->second % vocabulary_;
}

}  // namespace apportion
