// The words of a command line, as they were typed: what they mean to a command is command_line.h's.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/config/command/command_line.h"

namespace apportion {

/// What the command line holds, in the user's order, before any of it is judged.
struct CommandWords {
  std::vector<std::string> positionals;
  std::vector<Setting> settings;  // keys of the option table
  std::set<std::string> switches;
  std::vector<Setting> sweep;  // of each --sweep KEY=LIST
  std::vector<std::string> fail_if, forget;
  std::string csv_file, html_file, latex_file, markdown_file, cell, merged, gguf_lora;
  SubmitRequest submit;
  std::optional<std::string> by, gguf, completion;
};

/// Throws UserError for an unknown key, and for one that is given twice.
CommandWords parse_words(int argc, const char* const* argv);

/// All keys with their help.
std::string format_run_help();

/// What the command needs, one for each text in `what`, and of `more` any number. Throws UserError for fewer
/// or more.
void check_arguments(const CommandWords& words, const std::string& command,
                     const std::vector<std::string>& what, bool more = false);

/// The one folder or file that the command needs.
const std::string& only_argument(const CommandWords& words, const std::string& command,
                                 const std::string& what);

/// Throws UserError for a key that the command, one of the table, does not read.
void allow_settings(const CommandWords& words);

}  // namespace apportion
