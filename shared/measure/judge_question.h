// What a judging model is asked about a story, whether it is a server's or one run here.
#pragma once

#include <string>
#include <vector>

#include "shared/data/dataset.h"

namespace apportion {

/// Raised when the question or the reading of its answer changes.
inline constexpr int judge_question_revision = 1;

/// The answer to give when the story does not say.
inline constexpr const char* judge_says_none = "none";

/// The judge's other possible answers: each category's first name, in order.
std::vector<std::string> names_for_judge(const Dataset& dataset);

std::string judge_question(const std::string& story, const std::vector<std::string>& names);

}  // namespace apportion
