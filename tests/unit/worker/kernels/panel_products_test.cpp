// Sums of products against float64, and their bits with other numbers of threads and other neighbours.
#include "worker/kernels/panel_products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "worker/kernels/micro_kernel.h"

namespace apportion {
namespace {

at::Tensor numbers(int64_t rows, int64_t columns, double phase) {
  return at::arange(rows * columns, at::kDouble)
      .mul_(0.37)
      .add_(phase)
      .sin_()
      .view({rows, columns})
      .to(at::kBFloat16);
}

at::Tensor exact(const PanelProduct& product) {
  return at::mm(product.left_TK.to(at::kDouble), product.right_KN.to(at::kDouble));
}

void expect_within(const at::Tensor& found, const at::Tensor& wanted, double relative) {
  const double error = (found.to(at::kDouble) - wanted).abs().max().item<double>();
  EXPECT_LE(error, relative * wanted.abs().max().item<double>()) << found.sizes();
}

class PanelProducts : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_panel_products()) GTEST_SKIP() << "this CPU does not multiply bfloat16";
  }
};

TEST_F(PanelProducts, sums_are_within_one_rounding) {
  for (int64_t rows : {1, 2, 31, 64, 300}) {
    for (int64_t columns : {1, 2, 33, 64, 200}) {
      for (int64_t inner : {2, 16, 54, 576}) {
        const PanelProduct plain{numbers(rows, inner, 0), numbers(inner, columns, 1)};
        const PanelProduct turned{numbers(rows, 34, 2), numbers(columns, 34, 3).t()};
        at::Tensor out_TN = at::empty({rows, columns + 3}, at::kBFloat16).fill_(7);
        sum_products({plain, turned}, out_TN.narrow(1, 2, columns));
        expect_within(out_TN.narrow(1, 2, columns), exact(plain) + exact(turned), 1.01 / 256);
        EXPECT_TRUE(out_TN.narrow(1, 0, 2).eq(7).all().item<bool>());
        EXPECT_TRUE(out_TN.narrow(1, columns + 2, 1).eq(7).all().item<bool>());
      }
    }
  }
}

TEST_F(PanelProducts, of_parts_of_matrices) {
  const at::Tensor x = numbers(96, 192, 0), w = numbers(320, 128, 1);
  const PanelProduct rows{x.narrow(1, 64, 128), w.narrow(0, 70, 100).t()};
  const PanelProduct columns{x.narrow(1, 32, 80), w.narrow(0, 40, 80).narrow(1, 6, 100)};
  at::Tensor out_TN = at::empty({96, 100}, at::kBFloat16);
  sum_products({rows, columns}, out_TN);
  expect_within(out_TN, exact(rows) + exact(columns), 1.01 / 256);
}

TEST_F(PanelProducts, float32_results_in_rows_and_in_columns) {
  for (int64_t rows : {1, 32, 48, 300}) {
    for (int64_t columns : {1, 24, 64, 200}) {
      const PanelProduct product{numbers(rows, 96, 0), numbers(96, columns, 1)};
      const at::Tensor wanted = exact(product) * 0.75;
      at::Tensor in_rows = at::empty({rows, columns}, at::kFloat),
                 in_columns = at::empty({columns, rows}, at::kFloat);
      float_product(product, 0.75, in_rows);
      float_product(product, 0.75, in_columns.t());
      expect_within(in_rows, wanted, 1e-5);
      EXPECT_TRUE(at::equal(in_rows, in_columns.t()));
    }
  }
}

TEST_F(PanelProducts, added_to_what_is_there) {
  const PanelProduct product{numbers(300, 96, 0), numbers(96, 200, 1)};
  at::Tensor out_TN = at::ones({300, 210}, at::kFloat);
  add_product(product, out_TN.narrow(1, 5, 200));
  expect_within(out_TN.narrow(1, 5, 200), exact(product) + 1, 1e-5);
  EXPECT_TRUE(out_TN.narrow(1, 205, 5).eq(1).all().item<bool>());
}

TEST_F(PanelProducts, bits_depend_neither_on_threads_nor_on_other_rows) {
  const int before = at::get_num_threads();
  for (int64_t inner : {64, 86, 1536}) {
    for (int64_t columns : {1, 65, 576}) {
      const PanelProduct one{numbers(320, inner, 0), numbers(columns, inner, 1).t()};
      const PanelProduct other{numbers(320, 32, 2), numbers(32, columns, 3)};
      at::Tensor sums, floats = at::zeros({320, columns}), added = at::zeros({320, columns});
      for (int threads : {1, 2, 3}) {
        at::set_num_threads(threads);
        at::Tensor again = at::empty({320, columns}, at::kBFloat16), floats_again = at::empty_like(floats),
                   added_again = at::zeros_like(added);
        sum_products({one, other}, again);
        float_product(one, 1, floats_again);
        add_product(one, added_again);
        if (threads == 1) sums = again, floats = floats_again, added = added_again;
        EXPECT_TRUE(at::equal(again, sums) && at::equal(floats_again, floats) &&
                    at::equal(added_again, added));
      }
      for (int64_t rows : {1, 17, 32, 64, 96, 128, 224, 256, 288}) {
        at::Tensor some = at::empty({rows, columns}, at::kBFloat16);
        auto last = [&](const at::Tensor& x) { return x.narrow(0, 320 - rows, rows); };
        sum_products({{last(one.left_TK), one.right_KN}, {last(other.left_TK), other.right_KN}}, some);
        EXPECT_TRUE(at::equal(some, last(sums))) << inner << " " << columns << " " << rows;
      }
    }
  }
  at::set_num_threads(before);
}

// The micro-kernel and LibTorch's products each set up the processor's matrix state in their own way.
TEST_F(PanelProducts, between_products_of_libtorch) {
  const PanelProduct product{numbers(64, 576, 0), numbers(960, 576, 1).t()};
  at::Tensor first = at::empty({64, 960}, at::kBFloat16), second = at::empty_like(first);
  const at::Tensor wanted = at::mm(product.left_TK, product.right_KN);
  sum_products({product}, first);
  EXPECT_TRUE(at::equal(at::mm(product.left_TK, product.right_KN), wanted));
  sum_products({product}, second);
  EXPECT_TRUE(at::equal(first, second));
}

TEST_F(PanelProducts, transposed_copy_has_no_gaps) {
  for (int64_t rows : {70, 1100}) {
    const at::Tensor x = numbers(rows, 90, 0).narrow(1, 4, 50);
    const at::Tensor turned = transposed_copy(x);
    EXPECT_TRUE(turned.is_contiguous());
    EXPECT_TRUE(at::equal(turned, x.t()));
  }
}

}  // namespace
}  // namespace apportion
