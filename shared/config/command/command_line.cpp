#include "shared/config/command/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/config/command/command_table.h"
#include "shared/config/command/completion.h"
#include "shared/config/command/man_page.h"
#include "shared/config/command/usage.h"
#include "shared/config/command/words.h"
#include "shared/config/job_file.h"
#include "shared/config/option_table.h"
#include "shared/config/options_page.h"
#include "shared/config/sweep.h"
#include "shared/config/version.h"

namespace apportion {
namespace {

constexpr const char* source = command_line_source;

std::string folder_name(const std::string& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

/// The lines of [sweep], with --sweep replacing those of the same key.
std::vector<Setting> swept_lines(const JobFile& file, const CommandWords& words) {
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
        throw UserError(fmt::format("{}: --{} is swept ({}); use --sweep {}={}", source, setting.key,
                                    line.source, setting.key, printable(setting.value)));
    }
  }
  return lines;
}

void refuse_sweep(const std::vector<Setting>& lines, const std::string& command) {
  if (lines.empty()) return;
  throw UserError(
      fmt::format("{}: a sweep belongs to 'apportion run', not to {}", lines.front().source, command));
}

/// `run` and `scale`.
CommandLine parse_job(const CommandWords& words, Command command) {
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
  return parsed;
}

CommandLine parse_submit(const CommandWords& words) {
  CommandLine parsed = parse_job(words, Command::submit);
  if (!is_regular_file(parsed.job_file))
    throw UserError(fmt::format(
        "{} is not a regular file, and the batch job has to read it; write it to a file", parsed.job_file));
  if (parsed.config.output.force)
    throw UserError(fmt::format(
        "{}: force = true does not belong to a batch job: each of its starts would begin from scratch",
        source));
  parsed.submit = words.submit;
  parsed.submit.dry_run = words.switches.count("dry_run") > 0;
  for (const Setting& setting : words.settings)
    parsed.submit.options.push_back("--" + setting.key + "=" + setting.value);
  for (const Setting& line : words.sweep)
    parsed.submit.options.push_back("--sweep=" + line.key + "=" + line.value);
  return parsed;
}

/// Plans the rest of a sweep, or else training on many ranks.
CommandLine parse_plan(const CommandWords& words) {
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
        "{}: --ranks is for a sweep's members; plan_ranks says for which ranks training is predicted",
        source));
  settings.insert(settings.end(), words.settings.begin(), words.settings.end());
  parsed.config = make_run_config(settings);
  return parsed;
}

/// The keys of --by, with underscores for dashes.
std::vector<std::string> by_keys(const std::string& text) {
  std::vector<std::string> keys = split_list(text);
  for (auto key = keys.begin(); key != keys.end(); ++key) {
    std::replace(key->begin(), key->end(), '-', '_');
    if (key->empty() || std::find(keys.begin(), key, *key) != key)
      throw UserError(fmt::format(
          "{}: --by '{}' must be a comma-separated list of swept keys, each once, as in --by target,method",
          source, printable(text)));
  }
  return keys;
}

CommandLine parse_report(const CommandWords& words) {
  CommandLine parsed;
  parsed.command = Command::report;
  parsed.directory = only_argument(words, "report DIR [--json]", "a results folder");
  allow_settings(words);
  parsed.config = make_run_config(words.settings);
  parsed.cell = words.cell;
  if (!words.cell.empty() && words.by)
    throw UserError(fmt::format("{}: --cell shows one cell and --by all; keep one", source));
  if (words.by) parsed.by = by_keys(*words.by);
  parsed.fail_if = words.fail_if;
  parsed.html_file = words.html_file;
  parsed.watch = words.switches.count("watch") > 0;
  parsed.latex_file = words.latex_file;
  parsed.markdown_file = words.markdown_file;
  if (parsed.watch && words.html_file == "-")
    throw UserError(
        fmt::format("{}: --watch writes a file again and again; give --html FILE instead of -", source));
  const bool page = parsed.watch || !words.html_file.empty();
  if (page + !words.latex_file.empty() + !words.markdown_file.empty() + parsed.config.output.json > 1)
    throw UserError(fmt::format(
        "{}: --json, --html (and --watch), --latex and --markdown are different forms; ask for one", source));
  if (page && words.by)
    throw UserError(
        fmt::format("{}: --html and --watch write the page, which has all groups; leave --by out", source));
  return parsed;
}

/// Takes out a key that means something else to this command than to `run`; empty when it was not given.
std::string taken_out(std::vector<Setting>& settings, const std::string& key) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  if (found == settings.end()) return "";
  const std::string value = found->value;
  settings.erase(found);
  return value;
}

/// Throws UserError unless the name is that of a GGUF file.
void check_gguf_name(const std::string& key, const std::string& path) {
  if (path.ends_with(".gguf")) return;
  throw UserError(
      fmt::format("{}: {} '{}' must be the name of a file that ends in .gguf", source, key, printable(path)));
}

/// Checks that the file or folder asked for agrees with its name.
void check_merged(const ExportRequest& request, bool is_gguf) {
  if (is_gguf) {
    if (request.gguf != "q8_0" && request.gguf != "f16" && request.gguf != "f32")
      throw UserError(
          fmt::format("{}: --gguf '{}' must be q8_0, f16 or f32", source, printable(request.gguf)));
    check_gguf_name("with --gguf --merged", request.merged);
  } else if (request.merged.ends_with(".gguf")) {
    throw UserError(fmt::format(
        "{}: --merged '{}' names a GGUF file, for which --gguf q8_0, f16 or f32 is needed; without --gguf it "
        "is a folder",
        source, printable(request.merged)));
  }
}

CommandLine parse_export(const CommandWords& words) {
  CommandLine parsed;
  parsed.directory = only_argument(words, "export DIR --csv [FILE]", "a results folder");
  allow_settings(words);
  std::vector<Setting> settings = words.settings;
  ExportRequest& request = parsed.exported;
  parsed.cell = taken_out(settings, "adapter");  // here a cell's name, not the key `adapter`
  request = {words.merged, words.gguf.value_or(""), words.gguf_lora, taken_out(settings, "model")};
  parsed.config = make_run_config(settings);
  const bool merged = !words.merged.empty(), lora = !words.gguf_lora.empty(), csv = !words.csv_file.empty();
  if (merged + lora + csv > 1)
    throw UserError(
        fmt::format("{}: --csv, --merged and --gguf-lora are different exports; ask for one", source));
  if (words.gguf && !merged)
    throw UserError(fmt::format("{}: --gguf belongs to export DIR --merged OUT.gguf", source));
  if (merged) {
    parsed.command = Command::export_merged;
    check_merged(request, words.gguf.has_value());
  } else if (lora) {
    parsed.command = Command::export_gguf_lora;
    check_gguf_name("--gguf-lora", request.gguf_lora);
  } else if (!parsed.cell.empty() || !request.model.empty()) {
    throw UserError(fmt::format(
        "{}: --adapter and --model belong to export DIR --merged OUT and --gguf-lora OUT.gguf", source));
  } else if (csv) {
    parsed.command = Command::export_csv;
    parsed.csv_file = words.csv_file;
  } else {
    throw UserError(
        fmt::format("{}: export needs a format and a file: --csv FILE, --csv - for standard output, --merged "
                    "FOLDER, --merged FILE.gguf --gguf q8_0 or --gguf-lora FILE.gguf",
                    source));
  }
  return parsed;
}

/// A command on a results folder, which takes no keys but those in its row of the table.
CommandLine parse_folder(const CommandWords& words, Command command, const std::string& form,
                         const std::vector<std::string>& what = {"a results folder"}, bool more = false) {
  check_arguments(words, form, what, more);
  CommandLine parsed;
  parsed.command = command;
  parsed.directory = words.positionals[1];
  allow_settings(words);
  parsed.config = make_run_config(words.settings);
  parsed.watch = words.switches.count("watch") > 0;
  return parsed;
}

CommandLine parse_gc(const CommandWords& words) {
  CommandLine parsed = parse_folder(words, Command::gc, "gc DIR [JOB.ini ...]", {"a results folder"}, true);
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

CommandLine parse_pack(const CommandWords& words) {
  CommandLine parsed =
      parse_folder(words, Command::pack, "pack DIR FILE.h5", {"a results folder", "a file to write"});
  parsed.folder.file = words.positionals[2];
  parsed.folder.adapters = words.switches.count("adapters") > 0;
  return parsed;
}

CommandLine parse_merge(const CommandWords& words) {
  CommandLine parsed = parse_folder(words, Command::merge, "merge DIR FROM",
                                    {"a results folder", "a results folder to bring in"});
  parsed.folder.from = words.positionals[2];
  return parsed;
}

/// The model's name or path stands where other commands have a folder, and is a key like any other.
CommandLine parse_inspect(const CommandWords& words) {
  CommandLine parsed;
  parsed.command = Command::inspect;
  std::vector<Setting> settings = words.settings;
  settings.push_back({"model", only_argument(words, "inspect MODEL [--key value ...]", "a model"), source});
  parsed.config = make_run_config(settings);
  return parsed;
}

/// Its --adapter is a folder, not the key of that name.
CommandLine parse_score(const CommandWords& words) {
  check_arguments(words, "score MODEL ROWS.jsonl [--adapter DIR]", {"a model", "a file of rows"});
  allow_settings(words);
  CommandLine parsed;
  parsed.command = Command::score;
  std::vector<Setting> settings = words.settings;
  parsed.score.adapter = taken_out(settings, "adapter");
  settings.push_back({"model", words.positionals[1], source});
  parsed.config = make_run_config(settings);
  parsed.score.rows_file = words.positionals[2];
  return parsed;
}

/// Refuses words that belong to another command.
void check_commands(const CommandWords& words, const std::string& command) {
  struct Own {
    bool given;
    const char *key, *command, *form;
  };
  const auto on = [&](const char* name) { return words.switches.count(name) > 0; };
  for (const Own& own :
       {Own{!words.csv_file.empty(), "csv", "export", "export DIR --csv [FILE]"},
        Own{!words.merged.empty(), "merged", "export", "export DIR --merged OUT"},
        Own{words.gguf.has_value(), "gguf", "export", "export DIR --merged OUT.gguf"},
        Own{!words.gguf_lora.empty(), "gguf-lora", "export", "export DIR --gguf-lora OUT.gguf"},
        Own{!words.html_file.empty(), "html", "report", "report DIR --html FILE"},
        Own{!words.latex_file.empty(), "latex", "report", "report DIR --latex [FILE]"},
        Own{!words.markdown_file.empty(), "markdown", "report", "report DIR --markdown [FILE]"},
        Own{!words.cell.empty(), "cell", "report", "report DIR"},
        Own{words.by.has_value(), "by", "report", "report DIR"},
        Own{!words.fail_if.empty(), "fail-if", "report", "report DIR"},
        Own{on("watch") && command != "report", "watch", "status", "status DIR' and 'apportion report DIR"},
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
  const CommandWords words = parse_words(argc, argv);
  const std::string command = words.positionals.empty() ? "" : words.positionals[0];
  if (words.switches.count("help"))
    return printing(Command::help,
                    command == "run" || command == "submit" || command == "scale" || command == "plan"
                        ? format_run_help()
                        : format_usage());
  if (words.switches.count("version")) return printing(Command::version, format_version(version_info()));
  if (words.switches.count("dump_defaults"))
    return printing(Command::dump_defaults, format_default_job_file());
  if (words.switches.count("dump_options_markdown")) {
    return printing(Command::dump_options_page, format_options_page());
  }
  if (words.switches.count("dump_metrics_markdown")) return printing(Command::dump_metrics_page, "");
  if (words.switches.count("dump_man")) return printing(Command::dump_man, format_man_page());
  if (words.completion) return printing(Command::dump_completion, format_completion(*words.completion));
  if (command.empty()) throw UserError(fmt::format("{}: no command; try 'apportion --help'", source));
  check_commands(words, command);
  if (command == "inspect") return parse_inspect(words);
  if (command == "score") return parse_score(words);
  if (command == "run") return parse_job(words, Command::run);
  if (command == "submit") return parse_submit(words);
  if (command == "scale") return parse_job(words, Command::scale);
  if (command == "plan") return parse_plan(words);
  if (command == "report") return parse_report(words);
  if (command == "export") return parse_export(words);
  if (command == "status") return parse_folder(words, Command::status, "status DIR [--json]");
  if (command == "retry") return parse_folder(words, Command::retry, "retry DIR");
  if (command == "verify") return parse_folder(words, Command::verify, "verify DIR");
  if (command == "gc") return parse_gc(words);
  if (command == "pack") return parse_pack(words);
  if (command == "merge") return parse_merge(words);
  throw UserError(fmt::format("{}: unknown command '{}'; did you mean '{}'?", source, printable(command),
                              nearest_word(command, command_names())));
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

}  // namespace apportion
