// Job files: INI with flat keys, one `key = value` a line, '#' starts a comment at a line's start or behind a
// blank; one section, [sweep]. docs/job-files.md is for users. Boost.Program_options parses each line; what
// keys and values mean is option_table.h.
#pragma once

#include <string>
#include <vector>

#include "shared/config/run_config.h"

namespace apportion {

/// The job file of `NAME | PATH`: a path that exists, else a name below the folders of job files
/// (base/data_places.h), with or without "jobs/" before it. Throws UserError that says where it looked.
std::string find_job_file(const std::string& name_or_path);

/// A job file's lines, in order, each with "PATH, line N" as its source: settings, and behind the line
/// "[sweep]" those of a sweep (sweep.h).
struct JobFile {
  std::vector<Setting> settings, sweep;
};

/// Reads a job file, which may be a pipe. Throws UserError for a file that cannot be read, a line that is
/// neither comment nor `key = value`, a section that is not [sweep], an unknown key (with the nearest known
/// one) and a key that is there twice (with both lines). Values are checked by make_run_config, those of a
/// sweep, keys included, by sweep_cells.
JobFile read_job_file(const std::string& path);

/// As read_job_file, from its text; `path` names it in errors.
JobFile parse_job_file(const std::string& text, const std::string& path);

/// A job file with all keys and their resolved values, which parses back to the same configuration.
std::string format_job_file(const RunConfig& config);

/// A job file with all defaults, and as comments what each key means and allows.
std::string format_default_job_file();

}  // namespace apportion
