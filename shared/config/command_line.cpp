#include "shared/config/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/config/job_file.h"
#include "shared/config/option_table.h"
#include "shared/config/options_page.h"
#include "shared/config/sweep.h"
#include "shared/config/usage.h"
#include "shared/config/version.h"

namespace apportion {
namespace {

namespace po = boost::program_options;

constexpr const char* source = command_line_source;
constexpr unsigned help_width = 110;

/// What the command line holds, in the user's order, before any of it is judged.
struct Words {
  std::vector<std::string> positionals;
  std::vector<Setting> settings;  // keys of the option table
  std::set<std::string> switches;
  std::vector<Setting> sweep;  // of each --sweep KEY=LIST
  std::vector<std::string> fail_if, forget;
  std::string csv_file, cell;
  SubmitRequest submit;
  std::optional<std::string> by;
};

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

po::options_description describe_switches() {
  po::options_description description;
  auto add = description.add_options();
  add("help,h", "");
  for (const char* name : {"version", "dump_defaults", "print_config", "dump_options_markdown", "watch",
                           "dry_run", "yes", "adapters"})
    add(name, "");
  for (const char* name : {"site", "members", "ranks"}) add(name, po::value<std::string>(), "");
  add("csv", po::value<std::string>(), "");
  for (const char* name : {"cell", "by"}) add(name, po::value<std::string>(), "");
  for (const char* name : {"sweep", "fail_if", "forget"})
    add(name, po::value<std::vector<std::string>>(), "");
  add("positional", po::value<std::vector<std::string>>(), "");
  return description;
}

/// What Boost should see: keys with underscores (a key's value keeps its dashes), flags with their value
/// attached (else the next word would be taken for it), an empty value as a word of its own, a last --csv
/// with "-".
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
  if (!arguments.empty() && arguments.back() == "--csv") arguments.push_back("-");
  return arguments;
}

std::vector<po::option> parse_options(const std::vector<std::string>& arguments) {
  po::options_description all = describe_switches();
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
    throw UserError(fmt::format("{}: {}", source, printable(error.what())));
  }
}

[[noreturn]] void fail_unknown_key(std::string key) {
  std::vector<std::string> known;
  for (const Option* option : option_table()) known.push_back(option->key);
  for (const char* name :
       {"help", "version", "dump_defaults", "print_config", "csv", "cell", "by", "fail_if", "sweep", "site",
        "members", "ranks", "dry_run", "watch", "forget", "yes", "adapters"})
    known.push_back(name);
  key.erase(0, key.find_first_not_of('-'));
  throw UserError(fmt::format("{}: unknown key '{}'; did you mean '--{}'?", source, printable(key),
                              nearest_word(key, known)));
}

/// A word KEY=LIST, the key's dashes made underscores.
Setting sweep_line(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UserError(fmt::format("{}: --sweep needs KEY=LIST, as in --sweep seed=0..2", source));
  std::string key = text.substr(0, std::min(equals, text.find_last_not_of(" \t", equals - 1) + 1));
  std::replace(key.begin(), key.end(), '-', '_');
  return {key, text.substr(equals + 1), source};
}

/// Of members or ranks.
int count_of(const std::string& key, const std::string& value) {
  const IntegerRange range{1, 1000};  // as many as an array of Slurm may have by default
  uint64_t count = 0;
  if (!parse_integer(value, count) || count < range.low || count > range.high)
    throw UserError(
        fmt::format("{}: --{} = '{}' must be {}", source, key, printable(value), describe(range)));
  return static_cast<int>(count);
}

Words parse_words(int argc, const char* const* argv) {
  Words words;
  std::set<std::string> seen;
  for (const po::option& option : parse_options(normalize(argc, argv))) {
    const std::string& key = option.string_key;
    if (option.unregistered) fail_unknown_key(key);
    std::string value = option.value.empty() ? "" : option.value.front();
    if (option.position_key >= 0) {
      words.positionals.push_back(std::move(value));
      continue;
    }
    if (key == "sweep") {
      words.sweep.push_back(sweep_line(value));
      continue;
    }
    if (key == "fail_if" || key == "forget") {
      (key == "forget" ? words.forget : words.fail_if).push_back(value);
      continue;
    }
    if (!seen.insert(key).second)
      throw UserError(fmt::format("{}: --{} is given twice; keep one", source, key));
    if (find_option(key)) {
      words.settings.push_back({key, value, source});
    } else if (key == "site") {
      words.submit.site_file = value;
    } else if (key == "members" || key == "ranks") {
      (key == "ranks" ? words.submit.ranks : words.submit.members) = count_of(key, value);
    } else if (key == "csv") {
      words.csv_file = value;
    } else if (key == "cell") {
      words.cell = value;
    } else if (key == "by") {
      words.by = value;
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

/// What the command needs, one for each text in `what`, and of `more` any number. Throws UserError for fewer
/// or more.
void check_arguments(const Words& words, const std::string& command, const std::vector<std::string>& what,
                     bool more = false) {
  const size_t given = words.positionals.size() - 1;
  if (given < what.size())
    throw UserError(fmt::format("{}: {} needs {}, as in 'apportion {}'", source, words.positionals[0],
                                what[given], command));
  if (given > what.size() && !more)
    throw UserError(fmt::format("{}: unexpected '{}'; the form is 'apportion {}'", source,
                                printable(words.positionals[what.size() + 1]), command));
}

/// The one folder or file that the command needs.
const std::string& only_argument(const Words& words, const std::string& command, const std::string& what) {
  check_arguments(words, command, {what});
  return words.positionals[1];
}

void allow_settings(const Words& words, const std::set<std::string>& allowed) {
  for (const Setting& setting : words.settings) {
    if (allowed.count(setting.key) == 0) {
      throw UserError(fmt::format("{}: --{} does not belong to {}; it is a key of 'apportion run'", source,
                                  setting.key, words.positionals[0]));
    }
  }
}

std::string folder_name(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

/// The lines of [sweep], those of --sweep in place of the same key's.
std::vector<Setting> swept_lines(const JobFile& file, const Words& words) {
  std::vector<Setting> lines = file.sweep;
  for (const Setting& over : words.sweep) {
    const auto same =
        std::find_if(lines.begin(), lines.end(), [&](const Setting& line) { return line.key == over.key; });
    const bool repeats = over.key == "zip" || over.key == "exclude";
    if (same != lines.end() && !repeats && same->source == source)
      throw UserError(fmt::format("{}: --sweep {} is given twice; keep one", source, over.key));
    if (same == lines.end() || repeats) {
      lines.push_back(over);
    } else {
      *same = over;
    }
  }
  for (const Setting& line : lines) {
    for (const Setting& setting : words.settings) {
      if (setting.key == line.key)
        throw UserError(fmt::format("{}: --{} is swept ({}); --sweep {}={} would be right", source,
                                    setting.key, line.source, setting.key, printable(setting.value)));
    }
  }
  return lines;
}

std::string print_cells(const std::vector<JobCell>& cells) {
  if (cells.size() == 1 && cells.front().name.empty()) return format_job_file(cells.front().config);
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    text += fmt::format("{}# ---- cell {} of {}: {} ----\n", i == 0 ? "" : "\n", i + 1, cells.size(),
                        cells[i].name);
    text += format_job_file(cells[i].config);
  }
  return text;
}

void refuse_sweep(const std::vector<Setting>& lines, const std::string& command) {
  if (lines.empty()) return;
  throw UserError(
      fmt::format("{}: a sweep belongs to 'apportion run', not to {}", lines.front().source, command));
}

/// `run` and `scale`.
CommandLine parse_job(const Words& words, Command command) {
  CommandLine parsed;
  parsed.command = words.switches.count("print_config") ? Command::print_config : command;
  parsed.job_file =
      find_job_file(only_argument(words, words.positionals[0] + " JOB.ini [--key value ...]", "a job file"));
  const JobFile file = read_job_file(parsed.job_file);
  const std::vector<Setting> sweep = swept_lines(file, words);
  if (command == Command::scale) refuse_sweep(sweep, "scale");
  std::vector<Setting> settings = file.settings;
  settings.insert(settings.end(), words.settings.begin(), words.settings.end());
  parsed.cells = job_cells(settings, sweep_cells(sweep));
  const std::string& output = parsed.cells.front().config.output.directory;
  const bool named = is_regular_file(parsed.job_file);  // a pipe's name is its descriptor's
  const std::string name = std::filesystem::path(parsed.job_file).stem().string();
  if (output.empty()) {
    if (!named || !is_job_file_text(name)) {
      throw UserError(fmt::format("{}: {} gives no name for a results folder; set --output DIR", source,
                                  printable(parsed.job_file)));
    }
    for (JobCell& cell : parsed.cells) resolve_option(cell.config, "output", "runs/" + name);
  }
  parsed.config = parsed.cells.front().config;
  parsed.job_name = storable_text(named ? name : folder_name(parsed.config.output.directory));
  if (parsed.command == Command::print_config) parsed.text = print_cells(parsed.cells);
  return parsed;
}

CommandLine parse_submit(const Words& words) {
  CommandLine parsed = parse_job(words, Command::submit);
  if (!is_regular_file(parsed.job_file))
    throw UserError(fmt::format(
        "{} is not a regular file, and the batch job has to read it; write it to a file", parsed.job_file));
  if (parsed.config.output.force)
    throw UserError(fmt::format(
        "{}: force = true does not belong to a batch job: each of its starts would begin anew", source));
  parsed.submit = words.submit;
  parsed.submit.dry_run = words.switches.count("dry_run") > 0;
  for (const Setting& setting : words.settings)
    parsed.submit.options.push_back("--" + setting.key + "=" + setting.value);
  for (const Setting& line : words.sweep)
    parsed.submit.options.push_back("--sweep=" + line.key + "=" + line.value);
  return parsed;
}

/// Of a sweep what is left of it; else of training on many ranks.
CommandLine parse_plan(const Words& words) {
  CommandLine parsed;
  parsed.command = Command::plan;
  std::vector<Setting> settings;
  if (words.positionals.size() > 1) {
    parsed.job_file = find_job_file(only_argument(words, "plan [JOB.ini] [--key value ...]", "a job file"));
    const JobFile file = read_job_file(parsed.job_file);
    if (!file.sweep.empty() || !words.sweep.empty()) {
      parsed = parse_job(words, Command::plan);
      parsed.submit.ranks = words.submit.ranks;
      return parsed;
    }
    settings = file.settings;
  }
  if (!words.sweep.empty())
    throw UserError(fmt::format("{}: --sweep needs the job that is swept: apportion plan JOB.ini", source));
  if (words.submit.ranks != 0)
    throw UserError(fmt::format(
        "{}: --ranks is of a sweep's members; plan_ranks are those that training is predicted for", source));
  settings.insert(settings.end(), words.settings.begin(), words.settings.end());
  parsed.config = make_run_config(settings);
  return parsed;
}

/// The keys of --by, dashes made underscores.
std::vector<std::string> by_keys(const std::string& text) {
  std::vector<std::string> keys = split_list(text);
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    std::replace(key->begin(), key->end(), '-', '_');
    if (key->empty() || std::find(keys.begin(), key, *key) != key)
      throw UserError(
          fmt::format("{}: --by '{}' must be swept keys, each once, with commas between, as in --by "
                      "target,method",
                      source, printable(text)));
  }
  return keys;
}

CommandLine parse_report(const Words& words) {
  CommandLine parsed;
  parsed.command = Command::report;
  parsed.directory = only_argument(words, "report DIR [--json]", "a results folder");
  allow_settings(words, {"json", "quiet"});
  parsed.config = make_run_config(words.settings);
  parsed.cell = words.cell;
  if (!words.cell.empty() && words.by)
    throw UserError(fmt::format("{}: --cell is of one cell and --by of all; keep one", source));
  if (words.by) parsed.by = by_keys(*words.by);
  parsed.fail_if = words.fail_if;
  return parsed;
}

CommandLine parse_export(const Words& words) {
  CommandLine parsed;
  parsed.command = Command::export_csv;
  parsed.directory = only_argument(words, "export DIR --csv [FILE]", "a results folder");
  allow_settings(words, {"quiet"});
  parsed.config = make_run_config(words.settings);
  parsed.csv_file = words.csv_file;
  if (parsed.csv_file.empty()) {
    throw UserError(fmt::format(
        "{}: export needs a format and a file: --csv FILE, or --csv - for standard output", source));
  }
  return parsed;
}

/// A command on a results folder that has no keys of its own but those in `allowed`.
CommandLine parse_folder(const Words& words, Command command, const std::string& form,
                         const std::set<std::string>& allowed,
                         const std::vector<std::string>& what = {"a results folder"}, bool more = false) {
  check_arguments(words, form, what, more);
  CommandLine parsed;
  parsed.command = command;
  parsed.directory = words.positionals[1];
  allow_settings(words, allowed);
  parsed.config = make_run_config(words.settings);
  parsed.watch = words.switches.count("watch") > 0;
  return parsed;
}

CommandLine parse_gc(const Words& words) {
  CommandLine parsed =
      parse_folder(words, Command::gc, "gc DIR [JOB.ini ...]", {"json", "quiet"}, {"a results folder"}, true);
  FolderRequest& folder = parsed.folder;
  for (size_t i = 2; i < words.positionals.size(); ++i)
    folder.jobs.push_back(std::filesystem::path(words.positionals[i]).stem().string());
  folder.forget = words.forget;
  folder.yes = words.switches.count("yes") > 0;
  if (!folder.jobs.empty() && !folder.forget.empty())
    throw UserError(
        fmt::format("{}: with job files all other jobs are forgotten; keep them or --forget", source));
  return parsed;
}

CommandLine parse_pack(const Words& words) {
  CommandLine parsed = parse_folder(words, Command::pack, "pack DIR FILE.h5", {"quiet"},
                                    {"a results folder", "a file to write"});
  parsed.folder.file = words.positionals[2];
  parsed.folder.adapters = words.switches.count("adapters") > 0;
  return parsed;
}

CommandLine parse_merge(const Words& words) {
  CommandLine parsed = parse_folder(words, Command::merge, "merge DIR FROM", {"quiet"},
                                    {"a results folder", "a results folder to bring in"});
  parsed.folder.from = words.positionals[2];
  return parsed;
}

/// Words that are one command's alone.
void check_commands(const Words& words, const std::string& command) {
  struct Own {
    bool given;
    const char *key, *command, *form;
  };
  const auto on = [&](const char* name) { return words.switches.count(name) > 0; };
  for (const Own& own :
       {Own{!words.csv_file.empty(), "csv", "export", "export DIR --csv [FILE]"},
        Own{!words.cell.empty(), "cell", "report", "report DIR"},
        Own{words.by.has_value(), "by", "report", "report DIR"},
        Own{!words.fail_if.empty(), "fail-if", "report", "report DIR"},
        Own{on("watch"), "watch", "status", "status DIR"},
        Own{on("print_config"), "print-config", "run", "run JOB.ini"},
        Own{!words.forget.empty(), "forget", "gc", "gc DIR"}, Own{on("yes"), "yes", "gc", "gc DIR"},
        Own{on("adapters"), "adapters", "pack", "pack DIR FILE.h5"}}) {
    if (own.given && command != own.command)
      throw UserError(fmt::format("{}: --{} belongs to 'apportion {}'", source, own.key, own.form));
  }
  const SubmitRequest& submit = words.submit;
  if (command != "submit" &&
      (on("dry_run") || !submit.site_file.empty() || submit.members != SubmitRequest{}.members))
    throw UserError(
        fmt::format("{}: --site, --members and --dry-run belong to 'apportion submit JOB.ini'", source));
  if (submit.ranks != 0 && command != "submit" && command != "plan")
    throw UserError(fmt::format(
        "{}: --ranks belongs to 'apportion submit JOB.ini', and to 'apportion plan' of a sweep", source));
  const bool sweeps = command == "run" || command == "submit" || command == "plan";
  if (!words.sweep.empty() && !sweeps) refuse_sweep(words.sweep, command);
}

CommandLine printing(Command command, std::string text) {
  CommandLine parsed;
  parsed.command = command;
  parsed.text = std::move(text);
  return parsed;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  const Words words = parse_words(argc, argv);
  const std::string command = words.positionals.empty() ? "" : words.positionals[0];
  if (words.switches.count("help"))
    return printing(Command::help,
                    command == "run" || command == "submit" || command == "scale" || command == "plan"
                        ? format_run_help()
                        : usage);
  if (words.switches.count("version")) return printing(Command::version, format_version(version_info()));
  if (words.switches.count("dump_defaults"))
    return printing(Command::dump_defaults, format_default_job_file());
  if (words.switches.count("dump_options_markdown")) {
    return printing(Command::dump_options_page, format_options_page());
  }
  if (command.empty()) throw UserError(fmt::format("{}: no command; try 'apportion --help'", source));
  check_commands(words, command);
  if (command == "run") return parse_job(words, Command::run);
  if (command == "submit") return parse_submit(words);
  if (command == "scale") return parse_job(words, Command::scale);
  if (command == "plan") return parse_plan(words);
  if (command == "report") return parse_report(words);
  if (command == "export") return parse_export(words);
  if (command == "status")
    return parse_folder(words, Command::status, "status DIR [--json]", {"json", "quiet"});
  if (command == "retry") return parse_folder(words, Command::retry, "retry DIR", {"quiet"});
  if (command == "verify") return parse_folder(words, Command::verify, "verify DIR", {"quiet"});
  if (command == "gc") return parse_gc(words);
  if (command == "pack") return parse_pack(words);
  if (command == "merge") return parse_merge(words);
  throw UserError(fmt::format("{}: unknown command '{}'; did you mean '{}'?", source, printable(command),
                              nearest_word(command, {"run", "submit", "scale", "plan", "report", "export",
                                                     "status", "retry", "verify", "gc", "pack", "merge"})));
}

}  // namespace apportion
