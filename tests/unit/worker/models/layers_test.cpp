// The one-pass kernels of a block's elementwise parts against LibTorch's operations on the same values,
// forward and backward, at sizes that do not fill whole vectors.
#include "worker/models/layers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "shared/architecture/rope.h"
#include "tests/support/worker/test_device.h"
#include "worker/kernels/row_kernels.h"

namespace apportion {
namespace {

using Tensors = std::vector<at::Tensor>;

/// A leaf of these sizes and `type`, with distinct values between -4 and 4.
at::Tensor values(at::IntArrayRef sizes, at::ScalarType type, double phase = 0) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return (at::arange(count, at::kDouble) * 0.7 + phase)
      .sin()
      .mul(4)
      .view(sizes)
      .to(type)
      .set_requires_grad(true);
}

/// What `function` returns for the inputs, and the gradients of its results weighted by fixed values.
Tensors run(const std::function<Tensors(const Tensors&)>& function, const Tensors& inputs) {
  Tensors results = function(inputs), weights;
  for (const at::Tensor& result : results) {
    at::Tensor weight = values(result.sizes(), at::kFloat, 1).detach();
    weights.push_back(weight.to(at::kBFloat16).to(result.scalar_type()));
  }
  const Tensors gradients = torch::autograd::grad(results, inputs, weights);
  results.insert(results.end(), gradients.begin(), gradients.end());
  return results;
}

/// Compares with LibTorch's operations in float64; the kernels' results are one rounding away from these.
void expect_same(const std::function<Tensors(const Tensors&)>& kernel,
                 const std::function<Tensors(const Tensors&)>& plain, const Tensors& inputs) {
  Tensors wide;
  for (const at::Tensor& input : inputs)
    wide.push_back(input.detach().to(at::kDouble).set_requires_grad(true));
  const Tensors found = run(kernel, inputs), wanted = run(plain, wide);
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    const double rounding = found[i].scalar_type() == at::kBFloat16 ? 0x1p-8 : 0;
    const at::Tensor apart = (found[i].to(at::kDouble) - wanted[i]).abs() - rounding * wanted[i].abs();
    EXPECT_LE(apart.max().item<double>(), 1e-6 * wanted[i].abs().max().item<double>()) << "result " << i;
  }
}

class Layers : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(Layers, RmsNorm) {
  const at::ScalarType type = GetParam();
  expect_same([&](const Tensors& in) { return Tensors{rms_norm(in[0], in[1], 1e-5, type)}; },
              [](const Tensors& in) {
                return Tensors{in[0] * (in[0].square().mean(-1, true) + 1e-5).rsqrt() * in[1]};
              },
              {values({35, 37}, at::kFloat), values({37}, at::kFloat, 2)});
}

TEST_P(Layers, RotateHeads) {
  constexpr int64_t rows = 35, heads = 3, kv_heads = 1, head_dim = 10;
  ModelShape shape;
  shape.head_dim = head_dim;
  shape.rope_theta = 100;
  const RotaryTable table = rotary_table(rows, rope_frequencies(shape), test_device());
  auto plain = [&](const Tensors& in) {
    auto parts =
        in[0].view({rows, heads + 2 * kv_heads, head_dim}).split_with_sizes({heads + kv_heads, kv_heads}, 1);
    auto halves = parts[0].chunk(2, -1);
    const at::Tensor cos = table.cos.to(at::kDouble), sin = table.sin.to(at::kDouble);
    const at::Tensor turned =
        at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
    return Tensors{turned.narrow(1, 0, heads), turned.narrow(1, heads, kv_heads), parts[1]};
  };
  expect_same(
      [&](const Tensors& in) {
        Heads all = rotate_heads(in[0], table.cos, table.sin, heads, kv_heads);
        return Tensors{all.q_THD, all.k_TGD, all.v_TGD};
      },
      plain, {values({rows, (heads + 2 * kv_heads) * head_dim}, GetParam())});
}

TEST_P(Layers, GatedActivation) {
  for (const Activation activation : {Activation::silu, Activation::gelu}) {
    expect_same([&](const Tensors& in) { return Tensors{gated_activation(in[0], activation)}; },
                [&](const Tensors& in) {
                  auto halves = in[0].chunk(2, -1);
                  const at::Tensor gate = activation == Activation::silu ? halves[0] * at::sigmoid(halves[0])
                                                                         : at::gelu(halves[0], "tanh");
                  return Tensors{gate * halves[1]};
                },
                {values({35, 2 * 37}, GetParam())});
  }
}

TEST_P(Layers, AddResidual) {
  expect_same([](const Tensors& in) { return Tensors{add_residual(in[0], in[1])}; },
              [](const Tensors& in) { return Tensors{in[0] + in[1]}; },
              {values({35, 37}, at::kFloat), values({35, 37}, GetParam(), 3)});
}

INSTANTIATE_TEST_SUITE_P(Types, Layers, ::testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

TEST(RowKernels, TheExponentialHoldsFromEndToEnd) {
  std::vector<float> gate_up, out(1);
  for (float gate = -100; gate < 100; gate += 0.37F) {
    gate_up = {gate, 1};
    row_kernels<float>().silu_gated(gate_up.data(), 1, 1, out.data());
    const double wanted = gate / (1 + std::exp(-static_cast<double>(gate)));
    EXPECT_NEAR(out[0], wanted, 1e-6 * std::abs(wanted) + 1e-30) << gate;
    row_kernels<float>().gelu_gated(gate_up.data(), 1, 1, out.data());
    const double root = std::sqrt(2 / std::numbers::pi), cube = static_cast<double>(gate) * gate * gate;
    EXPECT_NEAR(out[0], gate / 2 * (1 + std::tanh(root * (gate + 0.044715 * cube))), 2e-6) << gate;
  }
}

TEST(RowKernels, RoundingIsLibTorchsAndKeepsWhatIsNoNumber) {
  std::vector<float> in = {
      1, 1 + 0x1p-8F, 1 + 3 * 0x1p-8F, -0.1F, 3e38F, 0x1p-140F, std::numeric_limits<float>::infinity()};
  std::vector<Bfloat> out(in.size() + 1);
  in.push_back(std::bit_cast<float>(0x7fffffffU));  // if rounded like a number it would become -0
  row_kernels<Bfloat>().scale(in.data(), 1, static_cast<int64_t>(in.size()), out.data());
  for (size_t i = 0; i + 1 < in.size(); ++i) EXPECT_EQ(out[i], at::BFloat16(in[i]).x) << in[i];
  EXPECT_TRUE(std::isnan(static_cast<float>(at::BFloat16(out.back(), at::BFloat16::from_bits()))));
}

}  // namespace
}  // namespace apportion
