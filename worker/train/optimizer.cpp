#include "worker/train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "shared/base/error.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"

namespace apportion {
namespace {

constexpr int64_t least_values_a_thread = 65536;

/// Multiplying s by a + b s^2 + c s^4, polynomial after polynomial, brings singular values s from 0.001 to 1
/// to within 1e-15 of 1 (arXiv 2505.16932, algorithm 1 with l = 0.001, the coefficients of its code).
constexpr std::array<std::array<double, 3>, 8> polar_polynomials = {{
    {8.28721201814563, -23.595886519098837, 17.300387312530933},
    {4.107059111542203, -2.9478499167379106, 0.5448431082926601},
    {3.9486908534822946, -2.908902115962949, 0.5518191394370137},
    {3.3184196573706015, -2.488488024314874, 0.51004894012372},
    {2.300652019954817, -1.6689039845747493, 0.4188073119525673},
    {1.891301407787398, -1.2679958271945868, 0.37680408948524835},
    {1.8750014808534479, -1.2500016453999487, 0.3750001645474248},
    {1.875, -1.25, 0.375},
}};

/// (S + 1e-6)^(-1/2) of symmetric matrices S with eigenvalues from 0 to 1, float64 [N, R, R]. Uses products
/// of all matrices at once and computes no eigenvalues.
at::Tensor inverse_roots(const at::Tensor& s_NRR) {
  constexpr double floor = 1e-6;
  at::Tensor square_NRR = s_NRR / (1 + floor), root_NRR;
  square_NRR.diagonal(0, 1, 2).add_(floor / (1 + floor));
  for (const auto& [a, b, c] : polar_polynomials) {
    at::Tensor factor_NRR = at::baddbmm(square_NRR, square_NRR, square_NRR, b, c);
    factor_NRR.diagonal(0, 1, 2).add_(a);
    root_NRR = root_NRR.defined() ? at::bmm(factor_NRR, root_NRR) : factor_NRR;
    square_NRR = at::bmm(at::bmm(factor_NRR, square_NRR), factor_NRR);
  }
  return root_NRR.div_(std::sqrt(1 + floor));
}

at::Tensor part_of(const at::Tensor& all, const MatrixPlace& place) {
  return all.narrow(0, place.offset, place.rows * place.columns).view({place.rows, place.columns});
}

}  // namespace

at::Tensor equal_singular_values(const at::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  const at::Tensor wide = tall ? matrix.t().contiguous() : matrix;
  const auto [squares, vectors] = at::linalg_eigh(at::mm(wide, wide.t()).to(at::kCPU, at::kDouble));
  const double largest = squares[-1].item<double>();
  if (!(largest > 0)) return at::zeros_like(matrix);
  const at::Tensor inverses = squares.clamp_min(largest * 1e-6).rsqrt();
  const at::Tensor root =
      at::mm(vectors * inverses.unsqueeze(0), vectors.t()).mul_(std::sqrt(static_cast<double>(wide.size(1))));
  const at::Tensor equal = at::mm(root.to(at::kFloat), wide);
  return tall ? equal.t() : equal;
}

std::vector<at::Tensor> equal_singular_values(const std::vector<at::Tensor>& groups_NRX) {
  std::vector<at::Tensor> wide, grams;
  std::vector<int64_t> counts;
  for (const at::Tensor& matrices : groups_NRX) {
    wide.push_back(matrices.size(1) > matrices.size(2) ? matrices.transpose(1, 2).contiguous() : matrices);
    grams.push_back(at::bmm(wide.back(), wide.back().transpose(1, 2)));
    counts.push_back(matrices.size(0));
  }
  constexpr double least_norm = 1e-30;  // for matrices of zeros, whose factor must be finite
  const at::Tensor gram_NRR = at::cat(grams).to(at::kDouble);
  const at::Tensor norm_N11 = gram_NRR.square().sum({1, 2}, true).sqrt_().clamp_min_(least_norm);
  const auto roots =
      inverse_roots(gram_NRR / norm_N11).mul_(norm_N11.rsqrt()).to(at::kFloat).split_with_sizes(counts);
  std::vector<at::Tensor> equal;
  for (size_t g = 0; g < groups_NRX.size(); ++g) {
    const at::Tensor out = at::bmm(roots[g] * std::sqrt(static_cast<double>(wide[g].size(2))), wide[g]);
    equal.push_back(groups_NRX[g].size(1) > groups_NRX[g].size(2) ? out.transpose(1, 2).contiguous() : out);
  }
  return equal;
}

Optimizer::Optimizer(const OptimizerConfig& config, const at::Tensor& values, Collectives* holders,
                     std::vector<MatrixPlace> matrices, Collectives* group)
    : config_(config),
      holders_(holders),
      group_(group),
      matrices_(std::move(matrices)),
      first_moment_(at::zeros_like(values)),
      second_moment_(at::zeros_like(values)) {
  if (config.kind != OptimizerKind::muon) return;
  std::sort(matrices_.begin(), matrices_.end(),
            [](const MatrixPlace& one, const MatrixPlace& other) { return one.offset < other.offset; });
  int64_t filled = 0;
  bool fill = !holders_;
  for (const MatrixPlace& place : matrices_) {
    fill = fill && place.offset == filled;
    filled += place.rows * place.columns;
  }
  ensure(fill && filled == values.numel(), "Muon's matrices fill the values, whole on every rank");
}

double Optimizer::norm_of(const at::Tensor& gradient) const {
  const double own = square_sum(gradient);
  if (!holders_) return std::sqrt(own);
  const std::vector<double> all = holders_->all_gather({own});
  return static_cast<float>(std::sqrt(std::accumulate(all.begin(), all.end(), 0.0)));
}

void Optimizer::resume(const at::Tensor& first_moment, const at::Tensor& second_moment, int steps) {
  first_moment_.copy_(first_moment);
  second_moment_.copy_(second_moment);
  step_ = steps;
}

void Optimizer::update(const AdamStep& step, const at::Tensor& gradient, at::Tensor& values) {
  const float* g = gradient.data_ptr<float>();
  float *first = first_moment_.data_ptr<float>(), *second = second_moment_.data_ptr<float>(),
        *value = values.data_ptr<float>();
  run_pieces(values.numel(), least_values_a_thread, [&](int64_t from, int64_t to) {
    kernel_set().adam(step, g + from, to - from, first + from, second + from, value + from);
  });
}

void Optimizer::update_own_matrices(double lr, size_t first, size_t last, at::Tensor& values) {
  using Size = std::pair<int64_t, int64_t>;
  std::map<int64_t, std::map<Size, std::vector<MatrixPlace>>> places;  // by the shorter side, then by size
  for (size_t i = first; i < last; ++i) {
    const MatrixPlace& place = matrices_[i];
    places[std::min(place.rows, place.columns)][{place.rows, place.columns}].push_back(place);
  }
  std::vector<at::Tensor> own, steps;
  for (const auto& [side, by_size] : places) {
    std::vector<at::Tensor> groups;
    for (const auto& [size, list] : by_size) {
      std::vector<at::Tensor> means;
      for (const MatrixPlace& place : list) {
        means.push_back(part_of(first_moment_, place));
        own.push_back(part_of(values, place));
      }
      groups.push_back(at::stack(means));
    }
    for (const at::Tensor& equal : equal_singular_values(groups)) {
      for (const at::Tensor& step : equal.unbind(0)) steps.push_back(step);
    }
  }
  at::_foreach_mul_(own, 1 - lr * config_.weight_decay);
  at::_foreach_add_(own, steps, -lr);
}

void Optimizer::update_matrices(double clip, double lr, const at::Tensor& gradient, at::Tensor& values) {
  const auto ranks = static_cast<size_t>(group_ ? group_->size() : 1),
             rank = static_cast<size_t>(group_ ? group_->group_rank() : 0);
  auto begin = [&](size_t of) { return matrices_.size() * of / ranks; };
  if (!values.is_cpu()) {
    first_moment_.mul_(config_.momentum).add_(gradient, clip * (1 - config_.momentum));
    if (begin(rank) < begin(rank + 1)) update_own_matrices(lr, begin(rank), begin(rank + 1), values);
  } else {
    run_lanes(static_cast<int>(matrices_.size()), values.device(), [&](int index) {
      at::set_num_threads(1);  // always: bits of products and eigenvalues may depend on it
      const auto i = static_cast<size_t>(index);
      at::Tensor mean = part_of(first_moment_, matrices_[i]), value = part_of(values, matrices_[i]);
      mean.mul_(config_.momentum).add_(part_of(gradient, matrices_[i]), clip * (1 - config_.momentum));
      if (i < begin(rank) || i >= begin(rank + 1)) return;
      value.mul_(1 - lr * config_.weight_decay).sub_(equal_singular_values(mean), lr);
    });
  }
  if (ranks == 1) return;
  auto offset = [&](size_t i) { return i < matrices_.size() ? matrices_[i].offset : values.numel(); };
  std::vector<int64_t> counts;
  for (size_t of = 0; of < ranks; ++of) counts.push_back(offset(begin(of + 1)) - offset(begin(of)));
  const at::Tensor own = values.narrow(0, offset(begin(rank)), counts[rank]).clone();
  group_->all_gather(own, values, counts);
}

double Optimizer::step(at::Tensor& values, at::Tensor& gradient, double lr) {
  const double norm = norm_of(gradient);
  if (!std::isfinite(norm)) {
    throw RankError(-1, "the gradient is not finite at step " + std::to_string(step_) +
                            " of this stage; use a lower learning rate");
  }
  const double clip = config_.clip_norm > 0 && norm > config_.clip_norm ? config_.clip_norm / norm : 1;
  ++step_;
  if (config_.kind == OptimizerKind::muon) {
    update_matrices(clip, lr, gradient, values);
    return norm;
  }
  const double correction1 = 1 - std::pow(config_.beta1, step_),
               correction2 = 1 - std::pow(config_.beta2, step_), decay = 1 - lr * config_.weight_decay;
  if (values.is_cpu()) {
    auto narrow = [](double value) { return static_cast<float>(value); };
    update({narrow(clip), narrow(decay), narrow(config_.beta1), narrow(1 - config_.beta1),
            narrow(config_.beta2), narrow(1 - config_.beta2), narrow(lr / correction1),
            narrow(std::sqrt(correction2)), narrow(config_.epsilon)},
           gradient, values);
    return norm;
  }
  if (clip != 1) gradient.mul_(clip);
  first_moment_.mul_(config_.beta1).add_(gradient, 1 - config_.beta1);
  second_moment_.mul_(config_.beta2).addcmul_(gradient, gradient, 1 - config_.beta2);
  if (decay != 1) values.mul_(decay);
  // The gradient is no longer needed, so its memory is reused.
  at::Tensor denominator =
      at::sqrt_out(gradient, second_moment_).div_(std::sqrt(correction2)).add_(config_.epsilon);
  values.addcdiv_(first_moment_, denominator, -lr / correction1);
  return norm;
}

}  // namespace apportion
