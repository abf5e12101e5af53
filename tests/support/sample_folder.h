// A whole results folder as a finished run leaves it, for tests of what works on folders.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/store/index.h"
#include "shared/store/plan_file.h"

namespace apportion {

/// Calls write_sample_results() and writes the plan of its job "smoke".
std::vector<Cell> write_sample_folder(const std::string& directory);

/// The plan of a job with these cells.
PlanFile sample_plan(const std::string& job, const std::vector<Cell>& cells);

/// Writes a member of another host that gave its last sign of life `seconds_ago`.
void write_stranger(const std::string& directory, const std::string& member, int seconds_ago);

/// Sets the file's or directory's time of last change to `seconds` ago.
void make_older(const std::string& path, int seconds);

/// SHA-256 of every regular file below `directory`, by its path relative to it.
std::map<std::string, std::string> digests_below(const std::string& directory);

}  // namespace apportion
