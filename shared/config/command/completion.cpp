#include "shared/config/command/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "shared/base/error.h"
#include "shared/config/command/command_table.h"
#include "shared/config/command/shell_text.h"
#include "shared/config/option_table.h"
#include "shared/config/sweep.h"

namespace apportion {
namespace {

/// When a command's words are of several kinds, any file will do: nothing counts which word is being typed.
Operand word_of(const CommandRow& command) {
  const std::vector<Operand>& words = command.operands;
  const bool alike =
      std::all_of(words.begin(), words.end(), [&](Operand word) { return word == words.front(); });
  return alike ? words.front() : Operand::file;
}

/// An option as a shell completes it.
struct Completed {
  std::string name;        // without dashes in front
  std::string value = {};  // empty: a switch
  std::string meaning = {};
  Operand operand = Operand::text;
  std::vector<std::string> choices = {};
  bool may_stand_alone = false;  // a value may follow
};

Completed completed(const CommandOption& option) {
  return {option.name, option.value, option.meaning, option.operand, option.choices};
}

Completed completed(const Option& key) {
  return {key.key, key.value_name, key.help, key.path ? Operand::file : Operand::text, key.choices, key.flag};
}

/// A command's own options, then the keys it takes, except where an own option has that name.
std::vector<Completed> options_of(const CommandRow& command) {
  std::vector<Completed> options;
  for (const CommandOption& option : command.options) options.push_back(completed(option));
  const size_t own = options.size();
  for (const Option* key : option_table()) {
    const auto& some = command.some_keys;
    if (command.keys == Keys::some && std::find(some.begin(), some.end(), key->key) == some.end()) continue;
    const bool is_taken = std::any_of(options.begin(), options.begin() + static_cast<std::ptrdiff_t>(own),
                                      [&](const Completed& option) { return option.name == key->key; });
    if (!is_taken) options.push_back(completed(*key));
  }
  return options;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// fish has escapes inside single quotes; bash and zsh (shell_quoted) have none.
std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

const char* bash_action(Operand operand) {
  switch (operand) {
    case Operand::folder:
      return "_apportion_files -d";
    case Operand::job_file:
      return "_apportion_jobs";
    case Operand::file:
      return "_apportion_files -f";
    case Operand::text:
      return "COMPREPLY=()";
  }
  throw InternalError("no such operand");
}

/// The branches of `case $option in`: what completes the value of each option of a command.
std::string bash_values(const std::vector<Completed>& options) {
  std::map<std::string, std::vector<std::string>> by_action;  // options that are completed alike
  for (const Completed& option : options) {
    if (option.value.empty()) continue;
    const std::string action = option.choices.empty()
                                   ? std::string(bash_action(option.operand))
                                   : "_apportion_words " + shell_quoted(join(option.choices, " "));
    by_action[action].push_back("--" + replaced(option.name, "-", "_"));
  }
  std::string text;
  for (const auto& [action, names] : by_action)
    text += fmt::format("        {}) {}; return ;;\n", join(names, "|"), action);
  return text;
}

/// The names of options that may stand without a value, after which another word may follow at once.
std::string bash_alone(const std::vector<Completed>& options) {
  std::vector<std::string> names;
  for (const Completed& option : options) {
    if (option.may_stand_alone) names.push_back("--" + option.name);
  }
  return join(names, "|");
}

constexpr const char* bash_head =
    R"(# Completion of apportion for bash, made by `apportion --dump-completion bash`.
_apportion_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_apportion_files() {
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
  compopt -o filenames 2>/dev/null
}
_apportion_jobs() {
  mapfile -t COMPREPLY < <(compgen -f -X '!*.ini' -- "$current"; compgen -d -- "$current")
  compopt -o filenames 2>/dev/null
}
_apportion() {
  local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word != -* ]]; then command=$word; break; fi
  done
  # --key=value is three words where '=' ends one
  local attached=
  if [[ $current == = ]]; then
    current= attached=1
  elif [[ $option == = ]]; then
    option=${COMP_WORDS[COMP_CWORD-2]} attached=1
  fi
  if [[ $option == --* ]]; then option=${option#--}; option=--${option//-/_}; fi
)";

std::string bash_completion() {
  std::string text = bash_head;
  std::vector<std::string> common;
  std::vector<Completed> common_values;
  for (const CommandOption& option : common_options()) {
    common.push_back("--" + option.name);
    common_values.push_back(completed(option));
  }
  text += "  case $command in\n";
  for (const CommandRow& command : command_table()) {
    const std::vector<Completed> options = options_of(command);
    text += "    " + command.name + ")\n";
    const std::string alone = bash_alone(options);
    if (!alone.empty())
      text +=
          fmt::format("      if [[ -z $attached ]]; then case $option in {}) option= ;; esac; fi\n", alone);
    text += "      case $option in\n" + bash_values(options) + "      esac\n";
    std::vector<std::string> names;
    for (const Completed& option : options) names.push_back("--" + option.name);
    text += fmt::format("      if [[ $current == -* ]]; then _apportion_words {}; else {}; fi ;;\n",
                        shell_quoted(join(names, " ") + " --help"), bash_action(word_of(command)));
  }
  text += "    *)\n      case $option in\n" + bash_values(common_values) + "      esac\n";
  text += fmt::format(
      "      if [[ $current == -* ]]; then _apportion_words {}; else _apportion_words {}; fi ;;\n",
      shell_quoted(join(common, " ")), shell_quoted(join(command_names(), " ")));
  return text + "  esac\n}\ncomplete -F _apportion apportion\n";
}

/// Text that is safe in brackets and between colons of _arguments.
std::string zsh_text(const std::string& text) {
  return replaced(replaced(replaced(replaced(text, "\\", "\\\\"), "[", "\\["), "]", "\\]"), ":", "\\:");
}

const char* zsh_action(Operand operand) {
  switch (operand) {
    case Operand::folder:
      return "_files -/";
    case Operand::job_file:
      return "_files -g \"*.ini\"";
    case Operand::file:
      return "_files";
    case Operand::text:
      return "";
  }
  throw InternalError("no such operand");
}

std::string zsh_option(const Completed& option) {
  // "=" after the name: the value is attached or the next word; "=-": attached only.
  const char* form = option.value.empty() ? "" : option.may_stand_alone ? "=-" : "=";
  std::string spec = fmt::format("*--{}{}[{}]", option.name, form, zsh_text(option.meaning));
  if (option.value.empty()) return shell_quoted(spec);
  const std::string action =
      option.choices.empty() ? zsh_action(option.operand) : "(" + join(option.choices, " ") + ")";
  // Two colons: the value may be left out.
  return shell_quoted(spec + (option.may_stand_alone ? "::" : ":") + zsh_text(option.value) + ":" + action);
}

std::string zsh_arguments(const std::vector<Completed>& options, const std::string& words) {
  std::string text = "_arguments -S";
  for (const Completed& option : options) text += " \\\n        " + zsh_option(option);
  return text + " \\\n        " + words + "\n";
}

std::string zsh_completion() {
  std::string text =
      "#compdef apportion\n"
      "# Completion of apportion for zsh, made by `apportion --dump-completion zsh`.\n"
      "_apportion() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const CommandRow& command : command_table())
    text += "    " + shell_quoted(command.name + ":" + zsh_text(command.forms.front().meaning)) + "\n";
  text +=
      "  )\n"
      "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "    _describe -t commands command commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  case $command in\n";
  for (const CommandRow& command : command_table()) {
    text += "    " + command.name + ")\n      (( CURRENT-- )); shift words\n      ";
    text += zsh_arguments(options_of(command),
                          shell_quoted(fmt::format("*:word:{}", zsh_action(word_of(command)))));
    text += "      ;;\n";
  }
  std::vector<Completed> common;
  for (const CommandOption& option : common_options()) common.push_back(completed(option));
  text += "    *)\n      " + zsh_arguments(common, shell_quoted("*:word:")) + "      ;;\n  esac\n}\n";
  return text + "_apportion \"$@\"\n";
}

std::string fish_option(const std::string& when, const Completed& option) {
  std::string text = fmt::format("complete -c apportion -n {} -l {}", fish_quoted(when), option.name);
  if (!option.choices.empty() && !option.may_stand_alone) {
    text += " -x -a " + fish_quoted(join(option.choices, " "));
  } else if (!option.value.empty() && !option.may_stand_alone) {
    const bool names_file = option.operand != Operand::text;
    text += names_file ? " -r -F" : " -x";
  }
  return text + " -d " + fish_quoted(option.meaning) + "\n";
}

std::string fish_completion() {
  std::string text =
      "# Completion of apportion for fish, made by `apportion --dump-completion fish`.\n"
      "complete -c apportion -n __fish_use_subcommand -f\n";
  for (const CommandRow& command : command_table())
    text += fmt::format("complete -c apportion -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        fish_quoted(command.forms.front().meaning));
  for (const CommandOption& option : common_options())
    text += fish_option("__fish_use_subcommand", completed(option));
  for (const CommandRow& command : command_table()) {
    for (const Completed& option : options_of(command))
      text += fish_option("__fish_seen_subcommand_from " + command.name, option);
  }
  return text;
}

}  // namespace

std::string format_completion(const std::string& shell) {
  if (shell == "bash") return bash_completion();
  if (shell == "zsh") return zsh_completion();
  if (shell == "fish") return fish_completion();
  throw UserError(fmt::format("{}: --dump-completion '{}' must be bash, zsh or fish", command_line_source,
                              printable(shell)));
}

}  // namespace apportion
