// FLOPs of work on a model, for rates and their share of the machine's peak.
#pragma once

#include <cstdint>

#include "shared/architecture/shape.h"

namespace apportion {

/// A count as a number to calculate with.
inline double real(int64_t count) { return static_cast<double>(count); }

/// What one pass covers. Only distinct tokens count, so padding lowers the share of the peak.
struct PassSize {
  int64_t tokens = 0;           // through the blocks
  int64_t pairs = 0;            // unmasked (query, key) pairs
  int64_t vocabulary_rows = 0;  // rows whose logits are taken
};

/// Forward: base products, adapters (`adapter_parameters` of LoRA weights), attention, vocabulary.
double forward_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size);

/// Forward and backward pass of a frozen base with adapters: the adapters get gradients of their own, the
/// base and the vocabulary matrix do not. The backward pass covers `backward_share` of the blocks.
/// Recomputation is not counted.
double train_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size,
                   double backward_share = 1);

}  // namespace apportion
