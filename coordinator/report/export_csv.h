// A results folder as one tidy CSV (RFC 4180): one row per cell, time, test set, subject, wording and
// outcome.
#pragma once

#include <ostream>
#include <string>

namespace apportion {

/// Columns: job, cell, dataset, method, when (before, after), test_set, subject, wording, prompt, outcome
/// (category, unparsed, cut), category, target, count, rounds, steering, exact_low, exact_high, unexplored.
/// `wording` counts from 0; `rounds` are the prompt's; what an outcome or a subject does not have is empty.
/// Numbers are unrounded. Throws UserError when the directory holds no results, or names the result that
/// cannot be read.
void export_csv(const std::string& directory, std::ostream& out);

/// The same into a file that is replaced whole; "-" is standard output.
void export_csv(const std::string& directory, const std::string& file);

}  // namespace apportion
