// Reads an answer that lists categories with their probabilities, such as "Male: 90%, Female: 10%"
// (verbalized sampling, arXiv 2510.01171). shared/data/question.h asks for the list.
#pragma once

#include <string_view>
#include <vector>

#include "shared/measure/category.h"

namespace apportion {

/// The shares that `text` gives to each of `categories` categories, divided by their sum; empty when it gives
/// none, or only zeros. A category's number is the first one between a mention of it and the next mention or,
/// when no number follows the last mention ("90% Male, 10% Female"), the last one before it. The first
/// mention with a number counts. "90%", "0.9" and "9/10" are numbers; the "2." or "2)" that starts a list's
/// line is not. A category without a number has share 0.
std::vector<double> verbalized_shares(const CategoryParser& parser, std::string_view text, size_t categories);

}  // namespace apportion
