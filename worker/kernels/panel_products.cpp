#include "worker/kernels/panel_products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "shared/base/error.h"
#include "worker/kernels/micro_kernel.h"
#include "worker/kernels/panel_kernels.h"
#include "worker/kernels/row_kernels.h"

namespace apportion {
namespace {

constexpr int64_t panel_columns = 64, chunk_rows = 256;
constexpr int64_t least_work = int64_t{1} << 20;  // multiplications worth a thread

Bfloat* bits(const at::Tensor& tensor) { return static_cast<Bfloat*>(tensor.data_ptr()); }

struct Columns {
  int64_t first, count;
};

/// Packs right's columns as a panel.
void pack(const at::Tensor& right_KN, Columns columns, Bfloat* panel) {
  const int64_t inner = right_KN.size(0);
  if (right_KN.stride(1) == 1) {
    pack_panel(bits(right_KN) + columns.first, right_KN.stride(0), inner, columns.count, panel);
  } else {
    const int64_t stride = right_KN.stride(1);
    pack_transposed_panel(bits(right_KN) + columns.first * stride, stride, inner, columns.count, panel);
  }
}

void check(const PanelProduct& product) {
  const at::Tensor &left = product.left_TK, &right = product.right_KN;
  ensure(left.scalar_type() == at::kBFloat16 && right.scalar_type() == at::kBFloat16 && left.stride(1) == 1 &&
             left.size(1) == right.size(0) && left.size(1) % 2 == 0 &&
             (right.stride(1) == 1 ||
              (right.stride(0) == 1 && right.stride(1) % 2 == 0 && right.storage_offset() % 2 == 0)),
         "a product's factors are bfloat16 rows over an even inner dimension");
}

/// Computes the sum of the products panel by panel: store(sums, row, count, columns) gets the sums of the
/// rows [row, row + count), and may overwrite them.
template <typename Store>
void multiply(const std::vector<PanelProduct>& products, int64_t rows, int64_t columns, Store store) {
  int64_t inner = 0;
  for (const PanelProduct& product : products) {
    check(product);
    inner += product.left_TK.size(1);
  }
  const int64_t panels = (columns + panel_columns - 1) / panel_columns;
  const int64_t grain = std::max<int64_t>(1, least_work / std::max<int64_t>(1, rows * inner * panel_columns));
  at::parallel_for(0, panels, grain, [&](int64_t first_panel, int64_t last_panel) {
    thread_local Scratch<Bfloat> panel_memory;
    thread_local Scratch<float> sums_memory;
    Bfloat* panel = panel_memory.get(inner * panel_columns);
    float* sums = sums_memory.get(std::min(rows, chunk_rows) * panel_columns);
    const MatrixState state;
    for (int64_t p = first_panel; p < last_panel; ++p) {
      const int64_t first = p * panel_columns;
      const Columns these{first, std::min(panel_columns, columns - first)};
      Bfloat* place = panel;
      for (const PanelProduct& product : products) {
        pack(product.right_KN, these, place);
        place += product.left_TK.size(1) * these.count;
      }
      for (int64_t row = 0; row < rows; row += chunk_rows) {
        const int64_t count = std::min(chunk_rows, rows - row);
        const Bfloat* right = panel;
        for (size_t i = 0; i < products.size(); ++i) {
          const at::Tensor& left = products[i].left_TK;
          multiply_panel({count, left.size(1), these.count}, bits(left) + row * left.stride(0),
                         left.stride(0), right, i > 0, sums);
          right += left.size(1) * these.count;
        }
        store(sums, row, count, these);
      }
    }
  });
}

}  // namespace

bool multiplies_in_panels(at::Device device, at::ScalarType type) {
  return device.is_cpu() && type == at::kBFloat16 && has_panel_products();
}

void sum_products(const std::vector<PanelProduct>& products, const at::Tensor& out_TN) {
  ensure(out_TN.scalar_type() == at::kBFloat16 && out_TN.stride(1) == 1, "sums are stored in rows");
  const int64_t stride = out_TN.stride(0);
  multiply(products, out_TN.size(0), out_TN.size(1),
           [&](const float* sums, int64_t row, int64_t count, Columns columns) {
             round_rows(sums, count, columns.count, bits(out_TN) + row * stride + columns.first, stride);
           });
}

void float_product(const PanelProduct& product, float factor, const at::Tensor& out_TN) {
  ensure(out_TN.scalar_type() == at::kFloat && (out_TN.stride(1) == 1 || out_TN.stride(0) == 1),
         "a float32 product is stored in rows or columns");
  auto* out = out_TN.data_ptr<float>();
  const bool in_rows = out_TN.stride(1) == 1;
  const int64_t stride = out_TN.stride(in_rows ? 0 : 1);
  multiply({product}, out_TN.size(0), out_TN.size(1),
           [&](float* sums, int64_t row, int64_t count, Columns columns) {
             if (in_rows) {
               scale_rows(sums, count, columns.count, factor, out + row * stride + columns.first, stride);
             } else {
               if (factor != 1) scale_rows(sums, 1, count * columns.count, factor, sums, 0);
               transpose_rows(sums, count, columns.count, out + columns.first * stride + row, stride);
             }
           });
}

void add_product(const PanelProduct& product, const at::Tensor& out_TN) {
  ensure(out_TN.scalar_type() == at::kFloat && out_TN.stride(1) == 1, "sums are added to rows");
  auto* out = out_TN.data_ptr<float>();
  const int64_t stride = out_TN.stride(0);
  multiply({product}, out_TN.size(0), out_TN.size(1),
           [&](const float* sums, int64_t row, int64_t count, Columns columns) {
             for (int64_t i = 0; i < count; ++i)
               kernel_set().accumulate(sums + i * columns.count, columns.count,
                                       out + (row + i) * stride + columns.first);
           });
}

at::Tensor transposed_copy(const at::Tensor& x_TK) {
  ensure(x_TK.scalar_type() == at::kBFloat16 && x_TK.stride(1) == 1 && x_TK.size(0) % 2 == 0,
         "an even number of bfloat16 rows is transposed");
  at::Tensor out_KT = at::empty({x_TK.size(1), x_TK.size(0)}, x_TK.options());
  transpose_rows(bits(x_TK), x_TK.stride(0), x_TK.size(0), x_TK.size(1), bits(out_KT));
  return out_KT;
}

}  // namespace apportion
