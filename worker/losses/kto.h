// Semantic Alignment by KTO (arXiv 2402.01306, equations 7 and 8) on the text after the steering token, or on
// the whole answer as the authors of arXiv 2604.05756 do (train/batch.h packs the edges).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "shared/config/run_config.h"
#include "worker/losses/log_ratio.h"

namespace apportion {

/// Sum over answers of weight / 2 * (accepted: w_d (1 - sigmoid(beta (r - z))); rejected: w_u (1 -
/// sigmoid(beta (z - r)))), divided by `global_prompts`. `z` is the clamped mean of r over mismatched pairs,
/// a number without gradient. The mean is over prompts, so a side without answers adds 0.
at::Tensor kto_loss(const at::Tensor& r_A, const AnswerEdges& answers, double z, const KtoConfig& config,
                    double global_prompts);

/// How far the weights are from what equation 8 asks for: lambda_D n_D / (lambda_U n_U) in [1, 4/3] (in later
/// versions [1, 3/2]), where n_D and n_U are the summed weights of accepted and rejected answers.
struct KtoBalance {
  double ratio;      // infinite without rejected answers or with w_u = 0; NaN if both sides are empty
  bool in_range;     // by the later versions' range
  std::string text;  // one line for people
};
KtoBalance kto_balance(double accepted, double rejected, const KtoConfig& config);

}  // namespace apportion
