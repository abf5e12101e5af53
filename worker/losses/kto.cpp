#include "worker/losses/kto.h"

#include <ATen/ATen.h>

#include <cstdio>

namespace apportion {

at::Tensor kto_loss(const at::Tensor& r_A, const AnswerEdges& answers, double z, const KtoConfig& config,
                    double global_prompts) {
  at::Tensor sign_A = at::where(answers.accepted_A, 1.0, -1.0).to(at::kFloat);
  at::Tensor side_A =
      at::where(answers.accepted_A, config.weight_accepted, config.weight_rejected).to(at::kFloat);
  at::Tensor loss_A = side_A * (1 - at::sigmoid(config.beta * sign_A * (r_A - z)));
  return (loss_A * answers.weight_A).sum() * (0.5 / global_prompts);
}

KtoBalance kto_balance(double accepted, double rejected, const KtoConfig& config) {
  // A share of 1/3 is not exact in binary, so the bounds leave room for rounding.
  constexpr double low = 1 - 1e-9, high = 1.5 + 1e-9;
  const double ratio = config.weight_accepted * accepted / (config.weight_rejected * rejected);
  const bool in_range = ratio >= low && ratio <= high;
  char number[32];
  std::snprintf(number, sizeof(number), "%.3g", ratio);
  return {ratio, in_range,
          std::string("KTO weighs accepted to rejected answers ") + number + " to 1, " +
              (in_range ? "within" : "outside") +
              " the range from 1 to 1.5 (first 4/3) that equation 8 of arXiv 2402.01306 asks for"};
}

}  // namespace apportion
