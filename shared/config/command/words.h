// The words of a command line as typed; command_line.h says what they mean to a command.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/config/command/command_line.h"

namespace apportion {

/// What the command line holds, in the user's order, before any of it is checked.
struct CommandWords {
  std::vector<std::string> positionals;
  std::vector<Setting> settings;  // keys of the option table
  std::set<std::string> switches;
  std::vector<Setting> sweep;  // one for each --sweep KEY=LIST
  std::vector<std::string> fail_if, forget;
  std::string csv_file, html_file, latex_file, markdown_file, cell, merged, gguf_lora;
  SubmitRequest submit;
  std::optional<std::string> by, gguf, completion;
};

/// Throws UserError for an unknown key and for a key given twice.
CommandWords parse_words(int argc, const char* const* argv);

/// All keys with their help.
std::string format_run_help();

/// Checks the command's arguments: one for each text in `what`, and any number after them with `more`. Throws
/// UserError for too few or too many.
void check_arguments(const CommandWords& words, const std::string& command,
                     const std::vector<std::string>& what, bool more = false);

/// The one folder or file that the command needs.
const std::string& only_argument(const CommandWords& words, const std::string& command,
                                 const std::string& what);

/// Throws UserError for a key that the command does not read; the command must be in the table.
void allow_settings(const CommandWords& words);

}  // namespace apportion
