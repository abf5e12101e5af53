// The product of rows with one panel (panel_kernels.h), using the micro-kernel that comes with LibTorch
// (oneDNN's brgemm).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "worker/kernels/bfloat.h"

namespace apportion {

/// Whether this machine has the instructions (AMX, AVX-512 bf16) and LibTorch's micro-kernel runs on them.
bool has_panel_products();

/// Tells apart kinds of machines whose instructions add in different orders: the bits of one fixed sum of
/// products; 0 without has_panel_products().
uint32_t panel_fingerprint();

/// Sets up what multiply_panel() needs on a thread, and releases the processor's matrix state at the end, as
/// oneDNN's own products on this thread must not find it.
class MatrixState {
 public:
  MatrixState() = default;
  ~MatrixState();
  MatrixState(const MatrixState&) = delete;
  MatrixState& operator=(const MatrixState&) = delete;
};

/// Memory that a thread keeps for the next call. It starts at a cache line, as matrix instructions load whole
/// lines.
template <typename Value>
class Scratch {
 public:
  /// Room for `count` values, uninitialised.
  Value* get(int64_t count) {
    constexpr size_t line = 64;
    const auto bytes = (static_cast<size_t>(count) * sizeof(Value) + line - 1) / line * line;
    if (bytes > bytes_) {
      memory_.reset();
      bytes_ = 0;
      memory_.reset(static_cast<Value*>(std::aligned_alloc(line, bytes)));
      if (!memory_) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(Value* memory) const { std::free(memory); }
  };
  std::unique_ptr<Value, Free> memory_;
  size_t bytes_ = 0;
};

struct PanelSize {
  int64_t rows, inner, columns;  // inner is even
};

/// sums [rows, columns] (+)= left [rows, inner] panel. `stride`: left's, in values. A MatrixState must be
/// alive.
void multiply_panel(const PanelSize& size, const Bfloat* left, int64_t stride, const Bfloat* panel, bool add,
                    float* sums);

}  // namespace apportion
