// A results folder as one tidy CSV (RFC 4180): one row per cell, time, test set, subject, wording and
// outcome.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace apportion {

/// Columns: job, cell, dataset, method, when (before, after), test_set, subject, wording, prompt, outcome
/// (category, unparsed, cut), category, target, count, rounds, steering, exact_low, exact_high, unexplored,
/// and one for each key that some cell has swept, named like the key, or swept_KEY where a column above is.
/// `wording` counts from 0; `rounds` are the prompt's; what an outcome or a subject does not have is empty.
/// Numbers are unrounded. Returns a line for each result that cannot be read and is left out. Throws
/// UserError when the directory holds no results.
std::vector<std::string> export_csv(const std::string& directory, std::ostream& out);

/// The same into a file that is replaced whole (write_file); "-" is standard output. Throws UserError, when
/// all else is written, that names what is left out.
void export_csv(const std::string& directory, const std::string& file);

}  // namespace apportion
