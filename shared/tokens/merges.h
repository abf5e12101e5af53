// The merges of a vocabulary as tokens. How words are merged by them is bpe.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "shared/tokens/token_table.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// Calls visit(rank, left, right, id) for each merge, by rank: two neighbours and the token that they become.
/// Throws DataError for what is not two tokens' texts with a space between that make a token's, after those
/// before.
void each_merge(const TokenizerTables& tables, const TokenTable& table,
                const std::function<void(size_t rank, int32_t left, int32_t right, int32_t id)>& visit);

/// Of two neighbours, for a table of them.
inline uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace apportion
