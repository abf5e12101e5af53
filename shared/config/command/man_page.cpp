#include "shared/config/command/man_page.h"

#include <fmt/format.h>

#include "shared/config/command/command_table.h"
#include "shared/config/option_table.h"
#include "shared/config/version.h"

namespace apportion {
namespace {

/// Text that roff shows and does not obey: escapes backslashes, hyphens (so that they can be copied), and a
/// dot or an apostrophe at the start of a line.
std::string roff(const std::string& text) {
  std::string shown = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (char c : text) {
    if (c == '\\') {
      shown += "\\e";
    } else if (c == '-') {
      shown += "\\-";
    } else if (c == '\'') {
      shown += "\\(aq";
    } else if (c == '^' || c == '~') {
      shown += c == '^' ? "\\(ha" : "\\(ti";
    } else {
      shown += c;
    }
  }
  return shown;
}

/// A paragraph with a word in front of it.
std::string tagged(const std::string& word, const std::string& text) {
  return ".TP\n.B " + roff(word) + "\n" + roff(text) + "\n";
}

std::string entry(const CommandOption& option) {
  std::string words = "--" + option.name + (option.value.empty() ? "" : " " + option.value);
  return tagged(words, option.meaning);
}

std::string commands() {
  std::string text;
  for (const CommandRow& command : command_table()) {
    text += ".SS " + command.name + "\n";
    for (const CommandForm& form : command.forms) text += tagged(form.words, form.meaning);
    if (command.options.empty()) continue;
    text += ".RS\n";
    for (const CommandOption& option : command.options) text += entry(option);
    text += ".RE\n";
  }
  return text;
}

std::string keys() {
  std::string text;
  for (const OptionGroup& group : option_groups()) {
    text += ".SS " + roff(group.title) + "\n";
    for (const Option& option : group.options) {
      std::string about = option.help + " [" + option.allowed + "]";
      if (!option.default_value.empty()) about += "; default " + option.default_value;
      text += tagged("--" + option.key + " " + option.value_name, about);
    }
  }
  return text;
}

}  // namespace

std::string format_man_page() {
  std::string page = fmt::format(
      ".\\\" Made by apportion --dump-man from the tables of commands and keys.\n"
      ".TH APPORTION 1 \"\" \"apportion {}\" \"User Commands\"\n",
      version_info().program);
  page +=
      ".SH NAME\n"
      "apportion \\- make a language model's answers follow a distribution\n"
      ".SH SYNOPSIS\n"
      ".B apportion run\n.I JOB.ini\n[\n.B \\-\\-key\n.I value\n\\&... ]\n.br\n"
      ".B apportion\n.I COMMAND\n[ arguments ]\n"
      ".SH DESCRIPTION\n"
      "Fine\\-tunes a language model so that its repeated answers follow a target distribution, and "
      "measures\n"
      "that they do, in one process or over MPI ranks. A job file says what to do; results are HDF5 files\n"
      "and a page in a folder, and the same command goes on from what is there.\n"
      ".SH COMMANDS\n";
  page += commands();
  page += ".SH OTHER OPTIONS\n";
  for (const CommandOption& option : common_options()) page += entry(option);
  page +=
      ".SH KEYS\n"
      "A key stands in a job file as key = value and on the command line of run, submit, scale, plan and\n"
      "inspect as \\-\\-key value. Dashes may replace underscores.\n";
  page += keys();
  page += ".SH EXIT STATUS\n";
  const std::pair<const char*, const char*> ends[] = {
      {"0", "all was done"},
      {"1", "a rank or a task failed, verify found damage, or merge left something out"},
      {"2", "the command, the job or a file is wrong; one line says what would be right"},
      {"3", "the program contradicts itself; please report the line"},
      {"4", "a condition of report --fail-if is met"},
      {"85", "the run was asked to stop, has saved its state and should be started again"},
      {"93", "two restarts of a batch job made no progress"},
      {"130", "stopped by Ctrl-C; the same command goes on from there"}};
  for (const auto& [code, meaning] : ends) page += tagged(code, meaning);
  page +=
      ".SH FILES\n.TP\n.I runs/NAME/\nthe results of jobs/NAME.ini, where the job names no folder; "
      "report.html in it is "
      "its page\n"
      ".SH SEE ALSO\n.BR mpirun (1),\n.BR sbatch (1)\n";
  return page;
}

}  // namespace apportion
