#include "shared/config/command/command_table.h"

#include <algorithm>
#include <set>

#include "shared/config/option_table.h"

namespace apportion {
namespace {

const CommandOption sweep = {"sweep", "KEY=LIST", "one job for each value; several: for all combinations",
                             {},      {},         true};
const CommandOption member_ranks = {"ranks", "N", "ranks of a batch job; the site's number without it"};
const CommandOption cell_adapter = {"adapter", "CELL", "which cell's adapter, if there are several"};
const CommandOption model_path = {"model", "PATH", "where the model is now, if it has moved since the job",
                                  Operand::file};

/// A file to write; standard output when none is named.
CommandOption printable_file(const std::string& name, const std::string& meaning) {
  return {name, "FILE", meaning, Operand::file, {}, false, true};
}

std::vector<CommandRow> run_commands() {
  return {
      {"run",
       {{"apportion run JOB.ini [--key value ...]", "run a job; a key here overrides the job file's"},
        {"mpirun -n N apportion run JOB.ini", "the same results, on N ranks"},
        {"apportion run --help", "all keys"}},
       {Operand::job_file},
       {sweep,
        {"print-config", "", "print the configuration that would run, as a job file, and run nothing"}},
       Keys::all},
      {"submit",
       {{"apportion submit JOB.ini [--key value ...] [--site FILE] [--members N] [--ranks N] [--dry-run]",
         "the same as a batch job of Slurm (docs/slurm.md)"}},
       {Operand::job_file},
       {sweep,
        {"site", "FILE", "the cluster's settings", Operand::file},
        {"members", "N", "batch jobs that share the work"},
        member_ranks,
        {"dry-run", "", "print the batch file and submit nothing"}},
       Keys::all},
      {"scale",
       {{"apportion scale JOB.ini [--key value ...]", "measure training steps on numbers of ranks"}},
       {Operand::job_file},
       {},
       Keys::all},
      {"plan",
       {{"apportion plan SWEEP.ini [--ranks N]",
         "what a sweep still has to do, and the hours and memory for it"},
        {"apportion plan [JOB.ini] [--key value ...]", "predict memory and time of training on many ranks"}},
       {Operand::job_file},
       {sweep, member_ranks},
       Keys::all},
  };
}

std::vector<CommandRow> result_commands() {
  return {
      {"report",
       {{"apportion report DIR [--json] [--cell NAME]",
         "print a results folder's table again, or one cell's"}},
       {Operand::folder},
       {{"cell", "NAME", "only this cell, in full"},
        {"html", "FILE", "write it as one self-contained page for a browser", Operand::file},
        printable_file("latex", "its table for a paper; - or nothing: standard output"),
        printable_file("markdown", "its table for an issue; - or nothing: standard output"),
        {"watch", "", "write the page (DIR/report.html) again and again while runs are at work"},
        {"by", "KEY[,KEY]", "for a sweep: a row for each value of KEY, over all other keys"},
        {"fail-if",
         "'error > 0.02'",
         "exit code 4 when a cell meets it, or has no such figure; also worst, mae, leak, kl, perplexity; "
         "may be given several times",
         Operand::text,
         {},
         true}},
       Keys::some,
       {"json", "quiet"}},
      {"export",
       {{"apportion export DIR --csv [FILE]",
         "write its results as tidy rows; - or nothing: standard output"},
        {"apportion export DIR --gguf-lora OUT.gguf [--adapter CELL] [--model PATH]",
         "write the adapter alone, as llama.cpp's --lora reads it"},
        {"apportion export DIR --merged OUT [--adapter CELL] [--model PATH]",
         "write the model with a cell's adapter merged in, as a folder"}},
       {Operand::folder},
       {printable_file("csv", "the file of tidy rows"),
        {"merged", "OUT", "the model's folder, or GGUF file", Operand::file},
        {"gguf",
         "q8_0",
         "with --merged: as one GGUF file, whose name OUT ends in .gguf; or f16, f32",
         Operand::text,
         {"q8_0", "f16", "f32"}},
        {"gguf-lora", "OUT.gguf", "the adapter's file", Operand::file},
        cell_adapter,
        model_path},
       Keys::some,
       {"quiet"}},
  };
}

std::vector<CommandRow> folder_commands() {
  return {
      {"status",
       {{"apportion status DIR [--json] [--watch]",
         "what is done, at work, waiting or failed in its jobs, and who works on it"}},
       {Operand::folder},
       {{"watch", "", "again every few seconds, until Ctrl-C"}},
       Keys::some,
       {"json", "quiet"}},
      {"retry",
       {{"apportion retry DIR", "let the next run try failed tasks again"}},
       {Operand::folder},
       {},
       Keys::some,
       {"quiet"}},
      {"verify",
       {{"apportion verify DIR", "check that every file in it is whole; also takes a pack"}},
       {Operand::file},
       {},
       Keys::some,
       {"quiet"}},
      {"gc",
       {{"apportion gc DIR [JOB.ini ...] [--forget JOB] [--yes] [--json]",
         "remove what none of its jobs names, or none of those given"}},
       {Operand::folder, Operand::job_file},
       {{"forget", "JOB", "as if the folder did not have this job", Operand::text, {}, true},
        {"yes", "", "remove without asking; without it, ask on a terminal and only list elsewhere"}},
       Keys::some,
       {"json", "quiet"}},
      {"pack",
       {{"apportion pack DIR FILE.h5 [--adapters]", "write its results as one self-contained HDF5 file"}},
       {Operand::folder, Operand::file},
       {{"adapters", "", "with what was trained"}},
       Keys::some,
       {"quiet"}},
      {"merge",
       {{"apportion merge DIR FROM", "copy in what another results folder has"}},
       {Operand::folder, Operand::folder},
       {},
       Keys::some,
       {"quiet"}},
  };
}

std::vector<CommandRow> model_commands() {
  return {
      {"inspect",
       {{"apportion inspect MODEL",
         "what is known of a model: sizes, tokens, template, what would be trained"}},
       {Operand::file},
       {},
       Keys::all},
      {"score",
       {{"apportion score MODEL ROWS.jsonl [--adapter DIR]",
         "log-probs of answers to prompts, token by token"}},
       {Operand::file, Operand::file},
       {{"adapter", "DIR", "the folder of an adapter", Operand::folder}},
       Keys::some,
       {"measure_compute_type", "quiet"}},
  };
}

}  // namespace

const std::vector<CommandRow>& command_table() {
  static const std::vector<CommandRow> table = [] {
    std::vector<CommandRow> all = run_commands();
    for (const auto& rows : {result_commands(), folder_commands(), model_commands()})
      all.insert(all.end(), rows.begin(), rows.end());
    return all;
  }();
  return table;
}

const std::vector<CommandOption>& common_options() {
  static const std::vector<CommandOption> options = {
      {"dump-defaults", "", "a job file with all keys, defaults and meanings"},
      {"dump-options-markdown", "", "docs/options.md"},
      {"dump-metrics-markdown", "", "docs/metrics.md"},
      {"dump-man", "", "the manual page"},
      {"dump-completion",
       "SHELL",
       "completion for bash, zsh or fish",
       Operand::text,
       {"bash", "zsh", "fish"}},
      {"version", "", "what this program was built from"},
      {"help", "", "this text; -h"},
  };
  return options;
}

const CommandRow* find_command(const std::string& name) {
  const auto& table = command_table();
  const auto row = std::find_if(table.begin(), table.end(),
                                [&](const CommandRow& command) { return command.name == name; });
  return row == table.end() ? nullptr : &*row;
}

std::string parsed_name(const CommandOption& option) {
  std::string name = option.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<CommandOption> all_command_options() {
  std::vector<CommandOption> all;
  std::set<std::string> names;
  const auto add = [&](const std::vector<CommandOption>& options) {
    for (const CommandOption& option : options) {
      const std::string name = parsed_name(option);
      if (!find_option(name) && names.insert(name).second) all.push_back(option);
    }
  };
  add(common_options());
  for (const CommandRow& command : command_table()) add(command.options);
  return all;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const CommandRow& command : command_table()) names.push_back(command.name);
  return names;
}

}  // namespace apportion
