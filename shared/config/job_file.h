// Job files: INI with flat keys, one `key = value` a line; '#' starts a comment at the start of a line or
// after a blank; one section, [sweep]. docs/job-files.md is the user's guide. Boost.Program_options parses
// each line; option_table.h says what keys and values mean.
#pragma once

#include <string>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

/// The job file of `NAME | PATH`: a path that exists, otherwise a name below the folders of job files
/// (base/data_places.h), with or without a leading "jobs/". Throws UserError that says where it looked.
std::string find_job_file(const std::string& name_or_path);

/// A job file's lines in order, each with "PATH, line N" as its source: the settings, and the sweep's lines
/// after "[sweep]" (sweep.h).
struct JobFile {
  std::vector<Setting> settings, sweep;
};

/// Reads a job file, which may be a pipe. Throws UserError for a file that cannot be read, a line that is
/// neither a comment nor `key = value`, a section other than [sweep], an unknown key (naming the nearest
/// known one) and a repeated key (naming both lines). make_run_config checks the values; sweep_cells checks
/// those of a sweep, keys included.
JobFile read_job_file(const std::string& path);

/// Like read_job_file, but from text; `path` names it in errors.
JobFile parse_job_file(const std::string& text, const std::string& path);

/// A job file with every key and its resolved value; it parses back to the same configuration.
std::string format_job_file(const RunConfig& config);

/// A job file with all defaults, and comments on what each key means and allows.
std::string format_default_job_file();

}  // namespace apportion
