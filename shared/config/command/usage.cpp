#include "shared/config/command/usage.h"

#include <fmt/format.h>

#include <set>
#include <sstream>

#include "shared/config/command/command_table.h"

namespace apportion {
namespace {

constexpr size_t meaning_column = 44, line_width = 110;

/// A row of words and their meaning, which begins in a column of its own.
std::string row(std::string words, const std::string& meaning, size_t column = meaning_column) {
  std::string text;
  if (words.size() + 1 > column) {
    text = words + "\n";
    words.clear();
  }
  for (const std::string& line : wrapped(meaning, line_width - column)) {
    text += fmt::format("{:<{}}{}\n", words, column, line);
    words.clear();
  }
  return text;
}

/// Whether one of the command's forms already shows the option.
bool is_in_forms(const CommandRow& command, const CommandOption& option) {
  for (const CommandForm& form : command.forms) {
    for (const char* end : {" ", "]"}) {
      if ((form.words + " ").find("--" + option.name + end) != std::string::npos) return true;
    }
  }
  return false;
}

std::string words_of(const CommandOption& option) {
  return "--" + option.name + (option.value.empty() ? "" : " " + option.value);
}

}  // namespace

std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (lines.empty() || lines.back().size() + 1 + word.size() > width) {
      lines.push_back(word);
    } else {
      lines.back() += " " + word;
    }
  }
  return lines;
}

std::string format_usage() {
  std::string text =
      "Fine-tunes a language model so that its answers follow a target distribution, and measures it.\n\n";
  std::set<std::string> shown;  // options that several commands share are shown at the first
  for (const CommandRow& command : command_table()) {
    for (const CommandForm& form : command.forms) text += row("  " + form.words, form.meaning);
    for (const CommandOption& option : command.options) {
      if (!is_in_forms(command, option) && shown.insert(words_of(option) + option.meaning).second)
        text += row("        " + words_of(option), option.meaning);
    }
  }
  text += "\n";
  constexpr size_t common_column = 28;
  for (const CommandOption& option : common_options())
    text += row("  " + words_of(option), option.meaning, common_column);
  return text;
}

}  // namespace apportion
