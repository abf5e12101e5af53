#include "shared/config/command/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <set>
#include <sstream>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/config/command/command_table.h"
#include "shared/config/option_table.h"
#include "shared/config/sweep.h"

namespace apportion {
namespace {

namespace po = boost::program_options;

constexpr unsigned help_width = 110;

po::options_description describe_key_options(const OptionGroup& group) {
  po::options_description description(group.title, help_width, help_width / 2);
  for (const Option& option : group.options) {
    auto* value = po::value<std::string>()->value_name(option.value_name);
    if (!option.default_value.empty()) value->default_value(option.default_value);
    description.add_options()(option.key.c_str(), value,
                              fmt::format("{} [{}]", option.help, option.allowed).c_str());
  }
  return description;
}

/// The options that are not keys.
po::options_description describe_commands() {
  po::options_description description;
  auto add = description.add_options();
  for (const CommandOption& option : all_command_options()) {
    const std::string name = parsed_name(option) + (option.name == "help" ? ",h" : "");
    if (option.value.empty()) {
      add(name.c_str(), "");
    } else if (option.repeats) {
      add(name.c_str(), po::value<std::vector<std::string>>(), "");
    } else {
      add(name.c_str(), po::value<std::string>(), "");
    }
  }
  add("positional", po::value<std::vector<std::string>>(), "");
  return description;
}

/// What Boost should see: keys with underscores (a key's value keeps its dashes); flags with their value
/// attached (otherwise the next word would be taken for it); an empty value as a word of its own; and "-"
/// after an option that writes to standard output when no file is given.
std::vector<std::string> normalize(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  bool is_value = false;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    bool is_key = !is_value && argument.size() > 2 && argument.compare(0, 2, "--") == 0;
    is_value = false;
    if (is_key) {
      size_t end = std::min(argument.find('='), argument.size());
      std::replace(argument.begin() + 2, argument.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
      const Option* option = find_option(argument.substr(2));
      is_value = option && !option->flag;
      if (option && option->flag) argument += "=true";
    }
    bool is_empty_value = is_key && argument.back() == '=';
    if (is_empty_value) argument.pop_back();
    arguments.push_back(std::move(argument));
    if (is_empty_value) arguments.emplace_back();
  }
  std::set<std::string> to_output;
  for (const CommandOption& option : all_command_options()) {
    if (option.to_output) to_output.insert("--" + parsed_name(option));
  }
  for (size_t i = arguments.size(); i-- > 0;) {
    const bool is_last = i + 1 == arguments.size() || arguments[i + 1].starts_with("--");
    if (is_last && to_output.contains(arguments[i]))
      arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, "-");
  }
  return arguments;
}

std::vector<po::option> parse_options(const std::vector<std::string>& arguments) {
  po::options_description all = describe_commands();
  for (const OptionGroup& group : option_groups()) all.add(describe_key_options(group));
  po::positional_options_description positional;
  positional.add("positional", -1);
  namespace style = po::command_line_style;
  try {
    return po::command_line_parser(arguments)
        .options(all)
        .positional(positional)
        .style(style::unix_style & ~style::allow_guessing)
        .allow_unregistered()
        .run()
        .options;
  } catch (const po::error& error) {
    throw UserError(fmt::format("{}: {}", command_line_source, printable(error.what())));
  }
}

[[noreturn]] void fail_unknown_key(std::string key) {
  std::vector<std::string> known;
  for (const Option* option : option_table()) known.push_back(option->key);
  for (const CommandOption& option : all_command_options()) known.push_back(parsed_name(option));
  key.erase(0, key.find_first_not_of('-'));
  throw UserError(fmt::format("{}: unknown key '{}'; did you mean '--{}'?", command_line_source,
                              printable(key), nearest_word(key, known)));
}

/// `key` is a command's option that takes a value.
[[noreturn]] void fail_empty(const std::string& key) {
  for (const CommandOption& option : all_command_options()) {
    if (parsed_name(option) == key)
      throw UserError(fmt::format("{}: --{} is empty; it needs a value, as in --{} {}", command_line_source,
                                  option.name, option.name, option.value));
  }
  throw InternalError("no command has the option " + key);
}

/// Parses KEY=LIST, with underscores for the key's dashes.
Setting sweep_line(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UserError(fmt::format("{}: --sweep needs KEY=LIST, as in --sweep seed=0..2", command_line_source));
  std::string key = text.substr(0, std::min(equals, text.find_last_not_of(" \t", equals - 1) + 1));
  std::replace(key.begin(), key.end(), '-', '_');
  return {key, text.substr(equals + 1), command_line_source};
}

/// The number of members or ranks.
int count_of(const std::string& key, const std::string& value) {
  const IntegerRange range{1, 1000};  // Slurm's default limit for an array
  uint64_t count = 0;
  if (!parse_integer(value, count) || count < range.low || count > range.high)
    throw UserError(fmt::format("{}: --{} = '{}' must be {}", command_line_source, key, printable(value),
                                describe(range)));
  return static_cast<int>(count);
}

}  // namespace

CommandWords parse_words(int argc, const char* const* argv) {
  CommandWords words;
  std::set<std::string> seen;
  for (const po::option& option : parse_options(normalize(argc, argv))) {
    const std::string& key = option.string_key;
    if (option.unregistered) fail_unknown_key(key);
    std::string value = option.value.empty() ? "" : option.value.front();
    if (option.position_key >= 0) {
      words.positionals.push_back(std::move(value));
      continue;
    }
    if (value.empty() && !option.value.empty() && !find_option(key)) fail_empty(key);
    if (key == "sweep") {
      words.sweep.push_back(sweep_line(value));
      continue;
    }
    if (key == "fail_if" || key == "forget") {
      (key == "forget" ? words.forget : words.fail_if).push_back(value);
      continue;
    }
    if (!seen.insert(key).second)
      throw UserError(fmt::format("{}: --{} is given twice; keep one", command_line_source, key));
    if (find_option(key)) {
      words.settings.push_back({key, value, command_line_source});
    } else if (key == "site") {
      words.submit.site_file = value;
    } else if (key == "members" || key == "ranks") {
      (key == "ranks" ? words.submit.ranks : words.submit.members) = count_of(key, value);
    } else if (key == "csv") {
      words.csv_file = value;
    } else if (key == "html") {
      words.html_file = value;
    } else if (key == "latex") {
      words.latex_file = value;
    } else if (key == "markdown") {
      words.markdown_file = value;
    } else if (key == "merged") {
      words.merged = value;
    } else if (key == "gguf") {
      words.gguf = value;
    } else if (key == "gguf_lora") {
      words.gguf_lora = value;
    } else if (key == "cell") {
      words.cell = value;
    } else if (key == "by") {
      words.by = value;
    } else if (key == "dump_completion") {
      words.completion = value;
    } else {
      words.switches.insert(key);
    }
  }
  return words;
}

std::string format_run_help() {
  std::ostringstream text;
  text << "apportion run JOB.ini [--key value ...]\n\nKeys, with (=default) and [allowed values]; the same "
          "keys stand "
          "in job files.\n";
  for (const OptionGroup& group : option_groups()) text << '\n' << describe_key_options(group);
  return text.str();
}

void check_arguments(const CommandWords& words, const std::string& command,
                     const std::vector<std::string>& what, bool more) {
  const size_t given = words.positionals.size() - 1;
  if (given < what.size())
    throw UserError(fmt::format("{}: {} needs {}, as in 'apportion {}'", command_line_source,
                                words.positionals[0], what[given], command));
  if (given > what.size() && !more)
    throw UserError(fmt::format("{}: unexpected '{}'; the form is 'apportion {}'", command_line_source,
                                printable(words.positionals[what.size() + 1]), command));
}

const std::string& only_argument(const CommandWords& words, const std::string& command,
                                 const std::string& what) {
  check_arguments(words, command, {what});
  return words.positionals[1];
}

void allow_settings(const CommandWords& words) {
  const CommandRow* command = find_command(words.positionals[0]);
  ensure(command != nullptr, "settings are checked of a command that there is");
  std::set<std::string> allowed(command->some_keys.begin(), command->some_keys.end());
  for (const CommandOption& option : command->options) allowed.insert(parsed_name(option));
  for (const Setting& setting : words.settings) {
    if (command->keys == Keys::some && !allowed.contains(setting.key)) {
      throw UserError(fmt::format("{}: --{} does not belong to {}; it is a key of 'apportion run'",
                                  command_line_source, setting.key, command->name));
    }
  }
}

}  // namespace apportion
