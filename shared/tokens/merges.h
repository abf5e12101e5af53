// A vocabulary's merges as tokens. bpe.h merges words with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "shared/tokens/token_table.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

/// Calls visit(rank, left, right, id) for each merge, by rank: two neighbours and the token that they become.
/// After visiting those before it, throws DataError for a merge that is not two tokens' texts with a space
/// between, or whose texts together are not a token's.
void each_merge(const TokenizerTables& tables, const TokenTable& table,
                const std::function<void(size_t rank, int32_t left, int32_t right, int32_t id)>& visit);

/// The key of two neighbours in a table.
inline uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace apportion
