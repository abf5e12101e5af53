// Linear layers with adapters in bfloat16 against the formula in float32, values and gradients, in sizes that
// are and are not multiplied in panels.
#include "worker/models/adapted_linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <tuple>

#include "tests/support/worker/tiny_world.h"

namespace apportion {
namespace {

using testing::relative_difference;

/// Parameters: the outputs of each of two layers, of which the second has an adapter, and the adapter's rank.
class AdaptedLinear : public ::testing::TestWithParam<std::tuple<int64_t, int64_t>> {};

TEST_P(AdaptedLinear, IsNearTheFormulaInEveryPart) {
  const auto [out, rank] = GetParam();
  const int64_t inputs = 70;
  at::manual_seed(2);
  auto rounded = [](const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); };
  LinearGroup linear;
  linear.parts = {{"mlp.gate_proj", inputs, out, 0}, {"mlp.up_proj", inputs, out, out}};
  const at::Tensor weight = rounded(at::randn({2 * out, inputs})), x = rounded(at::randn({160, inputs}));
  linear.weight_OI = weight.to(at::kBFloat16);
  LoraGroup lora;
  lora.adapted = {1};
  lora.scale = 2;
  lora.a = rounded(at::randn({rank, inputs})).set_requires_grad(true);
  lora.b = rounded(at::randn({out, rank})).set_requires_grad(true);
  lora.a_compute = (lora.a.detach() * lora.scale).to(at::kBFloat16);
  lora.b_compute = lora.b.detach().to(at::kBFloat16);
  lora.leaves = {lora.a, lora.b, lora.a.detach().set_requires_grad(true),
                 lora.b.detach().set_requires_grad(true)};

  const std::vector<int64_t> part_rows = {96, 64};
  const at::Tensor d = rounded(at::randn({160, 2 * out}));
  at::Tensor in = x.to(at::kBFloat16).set_requires_grad(true);
  const at::Tensor y = adapted_linear(in, linear, &lora, part_rows);
  const auto found = torch::autograd::grad(
      {y}, {in, lora.leaves[0], lora.leaves[1], lora.leaves[2], lora.leaves[3]}, {d.to(at::kBFloat16)});

  at::Tensor wide = x.clone().set_requires_grad(true);
  auto low_rank = [&](int64_t row, int64_t rows) {
    return at::mm(at::mm(wide.narrow(0, row, rows), lora.leaves[row ? 2 : 0].t()),
                  lora.leaves[row ? 3 : 1].t()) *
           lora.scale;
  };
  at::Tensor wanted = at::mm(wide, weight.t());
  wanted = at::cat(
      {wanted.narrow(1, 0, out), wanted.narrow(1, out, out) + at::cat({low_rank(0, 96), low_rank(96, 64)})},
      1);
  EXPECT_LT(relative_difference(y, wanted), 0.01);
  const auto gradients = torch::autograd::grad(
      {wanted}, {wide, lora.leaves[0], lora.leaves[1], lora.leaves[2], lora.leaves[3]}, {d});
  for (size_t i = 0; i < found.size(); ++i) EXPECT_LT(relative_difference(found[i], gradients[i]), 0.01) << i;
}

INSTANTIATE_TEST_SUITE_P(Sizes, AdaptedLinear,
                         ::testing::Combine(::testing::Values(33, 66), ::testing::Values(3, 4)));

}  // namespace
}  // namespace apportion
