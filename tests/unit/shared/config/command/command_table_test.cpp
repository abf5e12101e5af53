// The table of commands and what is generated from it: help, the manual page, completion.
#include "shared/config/command/command_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "shared/base/error.h"
#include "shared/config/command/command_line.h"
#include "shared/config/command/completion.h"
#include "shared/config/command/man_page.h"
#include "shared/config/command/usage.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

using testing::HasSubstr;

std::string refusal_of(std::vector<const char*> words) {
  words.insert(words.begin(), "apportion");
  try {
    parse_command_line(static_cast<int>(words.size()), words.data());
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(CommandTable, HasTheCommandsThatTheProgramTakes) {
  for (const std::string& name : command_names()) {
    if (name == "plan") continue;  // needs nothing
    EXPECT_THAT(refusal_of({name.c_str()}), HasSubstr(name + " needs "));
  }
  EXPECT_THAT(refusal_of({"verfy"}), HasSubstr("did you mean 'verify'?"));
  EXPECT_THAT(refusal_of({"verify", "x", "--fail-of=1"}), HasSubstr("did you mean '--fail_if'?"));
}

TEST(CommandTable, SaysWhatEachOptionIsFor) {
  for (const CommandRow& command : command_table()) {
    EXPECT_FALSE(command.operands.empty()) << command.name;
    for (const CommandForm& form : command.forms) EXPECT_FALSE(form.meaning.empty()) << form.words;
    for (const CommandOption& option : command.options) EXPECT_FALSE(option.meaning.empty()) << option.name;
    for (const std::string& key : command.some_keys) EXPECT_TRUE(find_option(key)) << key;
  }
}

TEST(Usage, HasEveryCommandAndOptionInALineThatFits) {
  const std::string text = format_usage();
  for (const CommandRow& command : command_table()) {
    EXPECT_THAT(text, HasSubstr("apportion " + command.name + " "));
    for (const CommandOption& option : command.options) EXPECT_THAT(text, HasSubstr("--" + option.name));
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 110) << line;
}

TEST(Wrapped, BreaksAtBlanks) {
  EXPECT_THAT(wrapped("to be  or not", 5), testing::ElementsAre("to be", "or", "not"));
  EXPECT_THAT(wrapped("a longerword b", 5), testing::ElementsAre("a", "longerword", "b"));
  EXPECT_TRUE(wrapped("", 5).empty());
}

TEST(ManPage, HasAllAndNothingThatRoffObeys) {
  const std::string page = format_man_page();
  EXPECT_TRUE(std::all_of(page.begin(), page.end(), [](unsigned char c) { return c < 0x80; }));
  for (const Option* option : option_table()) EXPECT_THAT(page, HasSubstr(".B \\-\\-" + option->key + " "));
  for (const std::string& name : command_names()) EXPECT_THAT(page, HasSubstr("\n.SS " + name + "\n"));
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('.')) continue;
    const std::string request = line.substr(1, line.find(' ') - 1);
    EXPECT_THAT((std::vector<std::string>{"\\\"", "TH", "SH", "SS", "TP", "B", "I", "BR", "br", "RS", "RE"}),
                testing::Contains(request))
        << line;
  }
}

TEST(Completion, IsForThreeShells) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string text = format_completion(shell);
    for (const Option* option : option_table()) EXPECT_THAT(text, HasSubstr(option->key)) << shell;
  }
  EXPECT_EQ(refusal_of({"--dump-completion", "tcsh"}),
            "command line: --dump-completion 'tcsh' must be bash, zsh or fish");
}

}  // namespace
}  // namespace apportion
