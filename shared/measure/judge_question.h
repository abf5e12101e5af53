// What a model that judges is asked about a story, be it a server's or one that is run here.
#pragma once

#include <string>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

/// Raised when the question or the reading of its answer changes.
inline constexpr int judge_question_revision = 1;

/// The answer to give where the story says none.
inline constexpr const char* judge_says_none = "none";

/// What the judge may answer with besides: each category's first name, in their order.
std::vector<std::string> names_for_judge(const Dataset& dataset);

std::string judge_question(const std::string& story, const std::vector<std::string>& names);

}  // namespace apportion
