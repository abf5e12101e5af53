// Paths in job files: what is expanded, what is refused, and that the configuration uses it.
#include "shared/config/path_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "shared/base/error.h"
#include "shared/config/run_config.h"

namespace apportion {
namespace {

using testing::HasSubstr;

std::string filled(const std::string& text) {
  static const std::map<std::string, std::string> environment = {
      {"HOME", "/home/a"}, {"SCRATCH", "/s"}, {"EMPTY", ""}, {"ODD", "/a$b"}};
  try {
    return fill_in_path(text, "x.ini, line 2", [](const char* name) -> const char* {
      const auto found = environment.find(name);
      return found == environment.end() ? nullptr : found->second.c_str();
    });
  } catch (const UserError& error) {
    return error.what();
  }
}

TEST(FillInPath, HomeAndVariables) {
  EXPECT_EQ(filled("~"), "/home/a");
  EXPECT_EQ(filled("~/runs"), "/home/a/runs");
  EXPECT_EQ(filled("$SCRATCH/x"), "/s/x");
  EXPECT_EQ(filled("a${SCRATCH}b$HOME"), "a/sb/home/a");
  EXPECT_EQ(filled("runs/a~b"), "runs/a~b");
  EXPECT_EQ(filled(""), "");
}

TEST(FillInPath, RefusesWhatItCannotFillIn) {
  for (const char* text : {"$NOWHERE/x", "${EMPTY}"})
    EXPECT_THAT(filled(text), HasSubstr("x.ini, line 2: the environment has no ")) << text;
  for (const char* text : {"a$", "$/x", "${HOME", "${}", "$1", "${1}", "$$"})
    EXPECT_THAT(filled(text), HasSubstr("a '$' in a path begins a variable")) << text;
  EXPECT_THAT(filled("~other/x"), HasSubstr("only your own '~'"));
  EXPECT_THAT(filled("$ODD"), HasSubstr("ODD has a '$' in its value: /a$b"));
}

TEST(FillInPath, PathsOfTheConfigurationAlone) {
  ::setenv("APPORTION_TEST_PLACE", "/place", 1);
  const RunConfig config = make_run_config({{"output", "$APPORTION_TEST_PLACE/x", "x.ini, line 1"}});
  EXPECT_EQ(config.output.directory, "/place/x");
  EXPECT_EQ(config.value("output"), "/place/x");
  for (const char* key :
       {"dataset", "model", "keep_train", "keep_test", "judge_key_file", "plan_coefficients"}) {
    EXPECT_EQ(make_run_config({{key, "${APPORTION_TEST_PLACE}/x", "x.ini, line 1"}}).value(key), "/place/x");
  }
  EXPECT_EQ(make_run_config({{"judge_model", "$5", "x.ini, line 1"}}).value("judge_model"), "$5");
}

}  // namespace
}  // namespace apportion
