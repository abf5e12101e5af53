// THE list of commands, as option_table.h is the list of keys: --help, the manual page, completion and the
// words that the command line accepts all come from it. command_line.h says what they mean.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// What kind of word comes next, for completion.
enum class Operand { text, file, folder, job_file };

/// An option that is not a key of the option table, or means something else than the key of that name.
struct CommandOption {
  std::string name;        // "fail-if": --fail-if or --fail_if
  std::string value = {};  // "FILE"; empty: a switch
  std::string meaning = {};
  Operand operand = Operand::text;
  std::vector<std::string> choices = {};  // words that are allowed; empty: any
  bool repeats = false;
  bool to_output = false;  // without a value it means "-", standard output
};

/// One way to call a command, "apportion report DIR [--json]", and what that does.
struct CommandForm {
  std::string words, meaning;
};

enum class Keys { all, some };

struct CommandRow {
  std::string name;
  std::vector<CommandForm> forms;
  std::vector<Operand> operands;  // of the words after the name; the last one also stands for any further
                                  // words
  std::vector<CommandOption> options = {};
  Keys keys = Keys::some;                   // which keys of the option table it takes
  std::vector<std::string> some_keys = {};  // for Keys::some
};

/// In the order people read them.
const std::vector<CommandRow>& command_table();

/// Options that need no command.
const std::vector<CommandOption>& common_options();

/// nullptr: no such command.
const CommandRow* find_command(const std::string& name);

/// An option's name as the parser has it: "fail_if".
std::string parsed_name(const CommandOption& option);

/// All options in both lists that are not keys, each name once.
std::vector<CommandOption> all_command_options();

std::vector<std::string> command_names();

}  // namespace apportion
