// docs/options.md is in step with the option table.
#include "shared/config/options_page.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "shared/base/file_system.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

std::filesystem::path source_directory() {
  // tests/unit/shared/config/ is four folders below the root.
  return std::filesystem::path(__FILE__)
      .parent_path()
      .parent_path()
      .parent_path()
      .parent_path()
      .parent_path();
}

TEST(OptionsPage, TheCommittedPageIsCurrent) {
  EXPECT_EQ(read_file(source_directory() / "docs/options.md"), format_options_page())
      << "run: apportion --dump-options-markdown > docs/options.md";
}

TEST(OptionsPage, HasARowForEveryKey) {
  const std::string page = format_options_page();
  for (const Option* option : option_table()) {
    EXPECT_NE(page.find("\n| `" + option->key + "` |"), std::string::npos) << option->key;
  }
}

}  // namespace
}  // namespace apportion
