#include "shared/model/cost.h"

namespace apportion {
namespace {

struct Parts {
  double base, adapters, attention, vocabulary;
};

/// FLOPs of the forward pass; a product of [m, k] and [k, n] counts 2 m k n.
Parts parts_of(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size) {
  auto d = [](int64_t value) { return static_cast<double>(value); };
  return {2 * d(size.tokens) * d(shape.block_parameters()), 2 * d(size.tokens) * d(adapter_parameters),
          4 * d(size.pairs) * d(shape.heads * shape.head_dim * shape.layers),
          2 * d(size.vocabulary_rows) * d(shape.vocabulary * shape.width)};
}

}  // namespace

double forward_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size) {
  Parts parts = parts_of(shape, adapter_parameters, size);
  return parts.base + parts.adapters + parts.attention + parts.vocabulary;
}

double train_flops(const ModelShape& shape, int64_t adapter_parameters, const PassSize& size,
                   double backward_share) {
  Parts parts = parts_of(shape, adapter_parameters, size);
  return (1 + backward_share) * parts.base + 3 * parts.adapters + (1 + 2 * backward_share) * parts.attention +
         2 * parts.vocabulary;
}

}  // namespace apportion
