// AdamW and Muon against their equations in double precision, and clipping of the norm.
#include "worker/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {
namespace {

TEST(Optimizer, FollowsAdamW) {
  OptimizerConfig config;
  config.weight_decay = 0.1;
  config.clip_norm = 0;
  at::Tensor values = at::tensor({1.0F});
  Optimizer optimizer(config, values);
  double x = 1, m = 0, v = 0;
  for (int step = 1; step <= 5; ++step) {
    const double g = 0.3 * step - 0.7;
    at::Tensor gradient = at::tensor({static_cast<float>(g)});
    EXPECT_NEAR(optimizer.step(values, gradient, 0.01), std::abs(g), 1e-6);
    m = config.beta1 * m + (1 - config.beta1) * g;
    v = config.beta2 * v + (1 - config.beta2) * g * g;
    x *= 1 - 0.01 * config.weight_decay;
    x -= 0.01 * (m / (1 - std::pow(config.beta1, step))) /
         (std::sqrt(v / (1 - std::pow(config.beta2, step))) + config.epsilon);
    EXPECT_NEAR(values.item<double>(), x, 1e-6) << step;
  }
}

// More values than one thread's minimum share; each value has its own numbers.
TEST(Optimizer, StepsManyValuesAsOne) {
  constexpr int64_t count = 200001;
  OptimizerConfig config;
  config.clip_norm = 0;
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  at::Tensor values = at::arange(count, at::kFloat).sin();
  const at::Tensor start = values.clone(), slope = at::arange(count, at::kFloat).cos();
  Optimizer optimizer(config, values);
  for (int step = 0; step < 3; ++step) {
    at::Tensor gradient = slope * (step + 1);
    optimizer.step(values, gradient, 0.01);
  }
  at::set_num_threads(before);
  for (int64_t i : {int64_t{0}, int64_t{15}, int64_t{17}, count / 2, count - 1}) {
    at::Tensor one = start.narrow(0, i, 1).clone();
    Optimizer alone(config, one);
    for (int step = 0; step < 3; ++step) {
      at::Tensor gradient = slope.narrow(0, i, 1) * (step + 1);
      alone.step(one, gradient, 0.01);
    }
    EXPECT_EQ(values[i].item<float>(), one.item<float>()) << i;
  }
}

TEST(Optimizer, ClipsTheNormAndReportsItUnclipped) {
  OptimizerConfig config;
  at::Tensor a = at::zeros({2}), b = at::zeros({2});
  at::Tensor large = at::tensor({30.0F, 40.0F}), clipped = at::tensor({0.6F, 0.8F});
  Optimizer one(config, a), other(config, b);
  EXPECT_NEAR(one.step(a, large, 0.1), 50, 1e-4);
  EXPECT_NEAR(other.step(b, clipped, 0.1), 1, 1e-6);
  // The first step does not depend on a gradient's size, but the moments do, and so does the second step.
  EXPECT_TRUE(at::allclose(one.first_moment(), other.first_moment()));
  EXPECT_TRUE(at::allclose(one.second_moment(), other.second_moment()));
  for (auto [optimizer, values] : {std::pair(&one, &a), std::pair(&other, &b)}) {
    at::Tensor small = at::tensor({0.3F, -0.2F});
    optimizer->step(*values, small, 0.1);
  }
  EXPECT_TRUE(at::allclose(a, b));
}

/// U V^T of the singular value decomposition, from LAPACK in double, scaled to a root mean square of 1.
at::Tensor polar_factor(const at::Tensor& matrix) {
  const auto [u, s, v] = at::linalg_svd(matrix.to(at::kDouble), false);
  return (at::mm(u, v) * std::sqrt(std::max(matrix.size(0), matrix.size(1)))).to(at::kFloat);
}

at::Tensor waves(int64_t rows, int64_t columns, int64_t from) {
  return at::arange(from, from + rows * columns, at::kFloat)
             .mul_(0.7)
             .sin_()
             .mul_(0.01)
             .view({rows, columns}) +
         at::eye(rows, columns) * 0.02;
}

TEST(Muon, MakesSingularValuesEqual) {
  for (auto [rows, columns] : {std::pair(3, 50), std::pair(50, 3), std::pair(8, 8)}) {
    const at::Tensor matrix = waves(rows, columns, 1), other = waves(rows, columns, 2);
    EXPECT_LT((equal_singular_values(matrix) - polar_factor(matrix)).abs().max().item<double>(), 1e-4)
        << rows;
    const at::Tensor together = equal_singular_values(std::vector{at::stack({other, matrix})})[0];
    EXPECT_LT((together[0] - polar_factor(other)).abs().max().item<double>(), 1e-3) << rows;
    EXPECT_LT((together[1] - polar_factor(matrix)).abs().max().item<double>(), 1e-3) << rows;
  }
  EXPECT_TRUE(at::equal(equal_singular_values(at::zeros({3, 50})), at::zeros({3, 50})));
  EXPECT_TRUE(at::equal(equal_singular_values(std::vector{at::zeros({2, 3, 50})})[0], at::zeros({2, 3, 50})));
}

// Only one direction is real: the others are rounding and must not be made as large.
TEST(Muon, LeavesRoundingAsItIs) {
  const at::Tensor u = at::arange(1, 9, at::kFloat).sin_().unsqueeze(1),
                   v = at::arange(1, 41, at::kFloat).cos_().unsqueeze(0), matrix = at::mm(u, v);
  const at::Tensor expected = matrix * (std::sqrt(40) / matrix.norm().item<double>());
  EXPECT_LT((equal_singular_values(matrix) - expected).norm().item<double>(), 1e-2 * std::sqrt(40));
  const at::Tensor together = equal_singular_values(std::vector{matrix.unsqueeze(0)})[0][0];
  EXPECT_LT((together - expected).norm().item<double>(), 1e-2 * std::sqrt(40));
}

TEST(Muon, StepsEachMatrixByItsMeanGradient) {
  OptimizerConfig config;
  config.kind = OptimizerKind::muon;
  config.weight_decay = 0.1;
  config.clip_norm = 0.05;
  const std::vector<MatrixPlace> places = {{0, 3, 20}, {60, 20, 3}};
  at::Tensor values = at::arange(120, at::kFloat).cos_(), expected = values.clone(), mean = at::zeros({120});
  Optimizer optimizer(config, values, nullptr, places);
  for (int step = 0; step < 3; ++step) {
    at::Tensor gradient = at::cat({waves(3, 20, step).flatten(), waves(20, 3, 7 + step).flatten()});
    const double norm = gradient.norm().item<double>();
    ASSERT_GT(norm, config.clip_norm);
    mean = mean * config.momentum + gradient * ((1 - config.momentum) * config.clip_norm / norm);
    const at::Tensor directions = at::cat({polar_factor(mean.narrow(0, 0, 60).view({3, 20})).flatten(),
                                           polar_factor(mean.narrow(0, 60, 60).view({20, 3})).flatten()});
    expected = expected * (1 - 0.01 * 0.1) - directions * 0.01;
    EXPECT_NEAR(optimizer.step(values, gradient, 0.01), norm, 1e-6);
    EXPECT_LT((values - expected).abs().max().item<double>(), 1e-5) << step;
  }
}

/// Takes two steps of Muon with each of `group`, on `count` matrices one after another; returns each one's
/// values.
std::vector<at::Tensor> after_two_steps(int64_t count, std::vector<std::unique_ptr<Collectives>>& group) {
  OptimizerConfig config;
  config.kind = OptimizerKind::muon;
  std::vector<MatrixPlace> places;
  for (int64_t i = 0; i < count; ++i) places.push_back({i * 32 * 600, 32, 600});
  const int threads_each = at::get_num_threads();
  std::vector<at::Tensor> values;
  for (size_t rank = 0; rank < group.size(); ++rank) values.push_back(at::zeros({count * 32 * 600}));
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < group.size(); ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(threads_each);
      Optimizer optimizer(config, values[rank], nullptr, places, group[rank].get());
      for (int step = 0; step < 2; ++step) {
        at::Tensor gradient = waves(count * 32, 600, step).flatten();
        optimizer.step(values[rank], gradient, 0.01);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return values;
}

// With two matrices on eight threads a lane has four; this machine's products do not depend on that.
TEST(Muon, HasTheSameBitsOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  for (int64_t count : {2, 7}) {
    std::vector<at::Tensor> found;
    for (int threads : {1, 2, 3, 8}) {
      at::set_num_threads(threads);
      auto alone = make_threads_collectives(1, 1, 20);
      found.push_back(after_two_steps(count, alone)[0]);
    }
    at::set_num_threads(before);
    EXPECT_GT(found[0].abs().max().item<double>(), 0.01);
    for (const at::Tensor& values : found) EXPECT_TRUE(at::equal(values, found[0])) << count;
  }
}

// Some ranks have no matrix.
TEST(Muon, RanksShareTheMatricesAndHaveTheSameValues) {
  auto alone = make_threads_collectives(1, 1, 20), group = make_threads_collectives(4, 1, 20);
  for (int64_t count : {2, 7}) {
    const at::Tensor expected = after_two_steps(count, alone)[0];
    for (const at::Tensor& values : after_two_steps(count, group))
      EXPECT_TRUE(at::equal(values, expected)) << count;
  }
}

TEST(Muon, NeedsMatricesThatFillTheValues) {
  OptimizerConfig config;
  config.kind = OptimizerKind::muon;
  EXPECT_THROW(Optimizer(config, at::zeros({12})), InternalError);
  EXPECT_THROW(Optimizer(config, at::zeros({12}), nullptr, {{0, 3, 3}}), InternalError);
  EXPECT_THROW(Optimizer(config, at::zeros({12}), nullptr, {{0, 2, 3}, {4, 2, 3}}), InternalError);
}

TEST(Optimizer, RefusesAGradientThatIsNotFinite) {
  at::Tensor values = at::zeros({1}), gradient = at::tensor({NAN});
  Optimizer optimizer(OptimizerConfig{}, values);
  EXPECT_THROW(optimizer.step(values, gradient, 0.1), RankError);
}

TEST(Optimizer, ValuesInPartsStepAsTheWhole) {
  OptimizerConfig config;
  config.clip_norm = 0.5;
  const at::Tensor start = at::arange(101, at::kFloat).cos(), slope = at::arange(101, at::kFloat).sin();
  at::Tensor whole = start.clone(), gradient = slope.clone();
  const double norm = Optimizer(config, whole).step(whole, gradient, 0.01);
  constexpr int ranks = 3;
  auto holders = make_threads_collectives(ranks, 1, 20);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : start.tensor_split(ranks)) parts.push_back(part.clone());
  std::vector<double> norms(ranks);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      at::Tensor own = slope.tensor_split(ranks)[rank].clone();
      norms[rank] = Optimizer(config, parts[rank], holders[rank].get()).step(parts[rank], own, 0.01);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (double of_rank : norms) EXPECT_EQ(of_rank, static_cast<float>(norm));
  EXPECT_TRUE(at::allclose(at::cat(parts), whole, 1e-6, 1e-7));
}

}  // namespace
}  // namespace apportion
