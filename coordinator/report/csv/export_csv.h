// A results folder as one tidy CSV (RFC 4180): one row per cell, time, test set, subject, wording and
// outcome.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace apportion {

/// Columns: job, cell, dataset, method, when (before, after), test_set, subject, wording, prompt, outcome
/// (category, unparsed, cut), category, target, count, rounds, steering, exact_low, exact_high, unexplored,
/// and one for each key that some cell has swept, named after the key, or swept_KEY if a column above has
/// that name. `wording` counts from 0; `rounds` is per prompt; fields that an outcome or a subject lacks are
/// empty. Numbers are unrounded. Returns a line for each unreadable result, which is left out. Throws
/// UserError when the directory holds no results.
std::vector<std::string> export_csv(const std::string& directory, std::ostream& out);

/// Writes the same to a file, which is replaced whole (write_file); "-" is standard output. If results are
/// left out, throws UserError that names them, once all else is written.
void export_csv(const std::string& directory, const std::string& file);

}  // namespace apportion
