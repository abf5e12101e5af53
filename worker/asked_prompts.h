// The prompts of a test set as they are put to a model.
#pragma once

#include <string>
#include <vector>

#include "shared/config/method.h"
#include "worker/sample/answer_tree.h"
#include "worker/session.h"

namespace apportion {

/// A prompt of the test set: what is put to the model, and the share of each part in it.
struct AskedPrompt {
  std::vector<MeasurePrompt> parts;
  std::vector<double> shares;
};

/// In the order of their subjects, then wordings, with the job's rounds spread over the wordings.
std::vector<AskedPrompt> asked_prompts(const Session& session, const std::string& test_set, Asking asking);

}  // namespace apportion
