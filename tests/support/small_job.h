// A job that takes seconds: a made-up dataset of three subjects and a tiny model, with few and short steps.
#pragma once

#include <map>
#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// The default configuration with some keys changed as in a job file.
RunConfig default_config(const std::map<std::string, std::string>& changes);

/// Writes dataset, model and the job file small.ini below `directory`.
void write_small_job(const std::string& directory);

/// The small job's configuration, with results in `output`, test sets heldout and v2, and both stages.
RunConfig small_job(const std::string& directory, const std::string& output);

}  // namespace apportion
