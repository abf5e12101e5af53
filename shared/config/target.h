// The key `target` as a job file has it: which shares the answers should follow. data/target.h applies it to
// a dataset.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// table: the dataset's own shares; even: the same for every category; shares: the given ones, for every
/// subject; mix: `mix` of the way from the dataset's shares to even ones; file: a table of shares for each
/// subject.
enum class TargetKind { table, even, shares, mix, file };

struct TargetConfig {
  TargetKind kind = TargetKind::table;
  std::vector<double> shares;  // in the order of the categories, adding to 1
  double mix = 0;              // from 0 to 1
  std::string file;
};

/// Parses "real", "even", "0.9/0.1", "mix 0.25" or "FILE.csv"; false for any other text, and for shares that
/// are negative or do not add to 1 within 1e-6.
bool parse_target(const std::string& text, TargetConfig& target);

/// A text that parses to the same target.
std::string print_target(const TargetConfig& target);

}  // namespace apportion
