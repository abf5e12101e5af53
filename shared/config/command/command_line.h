// What the user asked for: the command and the configuration, with the command line's keys over the job
// file's. option_table.h has the keys; apportion.cpp acts on the command.
#pragma once

#include <string>

#include "shared/config/sweep.h"

namespace apportion {

enum class Command {
  run,
  submit,
  scale,
  plan,
  report,
  export_csv,
  export_merged,
  export_gguf_lora,
  status,
  retry,
  verify,
  gc,
  pack,
  merge,
  inspect,
  score,
  help,
  version,
  dump_defaults,
  print_config,
  dump_options_page,
  dump_metrics_page,
  dump_man,
  dump_completion
};

/// What `submit` adds to the job it submits.
struct SubmitRequest {
  std::string site_file;       // empty: the usual places
  int members = 1, ranks = 0;  // 0: the site's value
  bool dry_run = false;
  std::vector<std::string> options;  // for `run`, as typed: --key=value, --sweep=KEY=LIST
};

/// What `gc`, `pack` and `merge` do with the results folder.
struct FolderRequest {
  std::vector<std::string> jobs, forget;  // gc: names of the only jobs that count; of those that do not
  bool yes = false;                       // gc: removes without asking
  std::string file;                       // pack: the HDF5 file
  bool adapters = false;                  // pack: includes what was trained
  std::string from;                       // merge: the other folder
};

/// What `score` scores; the model is config.data.model.
struct ScoreRequest {
  std::string rows_file;  // JSON lines
  std::string adapter;    // the folder; empty: none
};

/// What `export --merged` or `export --gguf-lora` writes, for CommandLine::cell or the only cell.
struct ExportRequest {
  std::string merged;     // the folder to write, or the file
  std::string gguf;       // "q8_0", "f16" or "f32": the type of a GGUF file's matrices; empty: a folder
  std::string gguf_lora;  // the file of the adapter alone; empty: none
  std::string model;      // where the cell's model is now; empty: where the job had it
};

struct CommandLine {
  Command command = Command::help;
  RunConfig config;  // run, scale, plan, print_config, inspect, score: all of it; report: only output.json
  // run, scale, print_config: one cell, or the sweep's; plan: only a sweep's. `config` is that of the first.
  std::vector<JobCell> cells;
  std::string job_file;   // run, scale, print_config; plan, where one was given
  std::string job_name;   // run, scale, plan of a sweep: the file's without its ending; for a pipe, the
                          // results folder's
  std::string directory;  // report, export_csv, status, retry, gc, pack, merge, verify (or a pack)
  bool watch = false;     // status, report
  SubmitRequest submit;
  FolderRequest folder;
  ScoreRequest score;
  std::string cell;                      // report: only this one; empty: all
  std::vector<std::string> by, fail_if;  // report: swept keys, with underscores; conditions, not yet parsed
  // report: where the page and the tables in LaTeX and Markdown go; empty: nowhere; "-": standard output
  std::string html_file, latex_file, markdown_file;
  std::string csv_file;  // export_csv: "-" is standard output
  ExportRequest exported;
  std::string text;  // what to print, for commands that only print
};

/// Parses `apportion run JOB.ini [--key value ...]`, `apportion scale JOB.ini [--key value ...]`,
/// `apportion plan [JOB.ini] [--key value ...]`, `apportion report DIR [--json | --html FILE [--watch] |
/// --latex [FILE] | --markdown [FILE]] [--cell NAME | --by KEY,KEY] [--fail-if CONDITION]`, `apportion
/// export DIR --csv [FILE]`, `apportion submit JOB.ini`, the other commands on a folder, `apportion inspect
/// MODEL`, `apportion score MODEL ROWS.jsonl [--adapter DIR]`, and --help, --version, --dump-defaults,
/// --print-config (with run JOB); with run, submit and plan also --sweep KEY=LIST. Reads the job file.
/// Throws UserError, one line, that names what is wrong, where, and what would be right.
CommandLine parse_command_line(int argc, const char* const* argv);

/// The cells' configurations as job files, one after the other, each with its name above it if it has one.
std::string print_cells(const std::vector<JobCell>& cells);

}  // namespace apportion
