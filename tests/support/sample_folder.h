// A whole results folder as a run leaves it that is through: for tests of what works on folders.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/store/index.h"
#include "shared/store/plan_file.h"

namespace apportion {

/// write_sample_results(), and the plan of its job "smoke".
std::vector<Cell> write_sample_folder(const std::string& directory);

/// The plan of a job that has these cells.
PlanFile sample_plan(const std::string& job, const std::vector<Cell>& cells);

/// A member of another host that gave its last sign so long ago.
void write_stranger(const std::string& directory, const std::string& member, int seconds_ago);

/// Sets when the file or directory was changed last, so long ago.
void make_older(const std::string& path, int seconds);

/// SHA-256 of every regular file below, by its path from there.
std::map<std::string, std::string> digests_below(const std::string& directory);

}  // namespace apportion
