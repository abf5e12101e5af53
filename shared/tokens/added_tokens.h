// Tokens that are found in a text before words are looked for: special ones, and others that were added to
// the learned vocabulary.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/tokens/normalizer.h"
#include "shared/tokens/token_table.h"

namespace apportion {

/// An added token and the bytes [begin, end) that it takes.
struct AddedMatch {
  int32_t id;
  uint32_t begin;
  uint32_t end;
};

class AddedTokens {
 public:
  /// Those of `table` that are found in the text as it is or, with `normalized`, in the normalized text.
  AddedTokens(const TokenizerTables& tables, const TokenTable& table, const Normalizer& normalizer,
              bool normalized);

  /// What the name of a special token in the bytes [begin, end) is: the token; plain text, which is skipped
  /// whole; or no name, when two parts of the text only happen to form it.
  enum class Name { token, plain, none };
  using Reading = std::function<Name(uint32_t begin, uint32_t end)>;

  /// The first one at or after `from`; among those that begin there, the longest.
  std::optional<AddedMatch> next(std::string_view text, uint32_t from, const Reading& reading) const;

 private:
  struct AddedToken {
    int32_t id;
    std::string name;
    bool special;
    AddedTokenRule rule;
  };

  std::vector<AddedToken> tokens_;
  std::array<std::vector<size_t>, 256> by_first_;  // places in tokens_, the longest names first
};

}  // namespace apportion
