// The prompts of a test set as a model is asked them.
#pragma once

#include <string>
#include <vector>

#include "shared/config/method.h"
#include "worker/sample/answer_tree.h"
#include "worker/session.h"

namespace apportion {

/// A prompt of the test set: the parts that the model is asked, and each part's share.
struct AskedPrompt {
  std::vector<MeasurePrompt> parts;
  std::vector<double> shares;
};

/// Ordered by subject, then wording, with the job's rounds spread over the wordings.
std::vector<AskedPrompt> asked_prompts(const Session& session, const std::string& test_set, Asking asking);

}  // namespace apportion
