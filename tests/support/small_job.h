// A job that is done in seconds: a made-up dataset of three subjects and a tiny model, with few and short
// steps.
#pragma once

#include <map>
#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// The default configuration with some keys changed, as a job file would.
RunConfig default_config(const std::map<std::string, std::string>& changes);

/// Writes dataset, model and the job file small.ini below `directory`.
void write_small_job(const std::string& directory);

/// Its configuration; results go to `output`. Two test sets, heldout and v2; both stages.
RunConfig small_job(const std::string& directory, const std::string& output);

}  // namespace apportion
