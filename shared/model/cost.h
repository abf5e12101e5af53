// FLOPs of the work on a model, for rates and their share of the machine's peak.
#pragma once

#include <cstdint>

#include "shared/architecture/shape.h"

namespace apportion {

/// What one pass covers. Counted are distinct tokens only, so padding lowers the share of the peak.
struct PassSize {
  int64_t tokens = 0;           // through the blocks
  int64_t pairs = 0;            // unmasked (query, key) pairs
  int64_t vocabulary_rows = 0;  // rows whose logits are taken
};

/// Forward: base products, adapters (`adapter_parameters` of LoRA weights), attention, vocabulary.
double forward_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size);

/// Forward and backward of a frozen base with adapters: the base and the vocabulary matrix get no gradient of
/// their own, the adapters do. `backward_share` of the blocks are passed backward. No recomputation is
/// counted.
double train_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size,
                   double backward_share = 1);

}  // namespace apportion
