// Batch files: what they must contain, and that a shell reads back each word unchanged, whatever is in it.
// tests/system/slurm compares whole files with committed ones, and runs them.
#include "coordinator/submit/batch_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "shared/base/error.h"

namespace apportion {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string shell(const std::string& line) {
  FILE* pipe = ::popen(line.c_str(), "r");
  std::string text;
  std::array<char, 256> part{};
  while (const size_t size = std::fread(part.data(), 1, part.size(), pipe)) text.append(part.data(), size);
  ::pclose(pipe);
  return text;
}

BatchRequest request() {
  return {"job", "/results/slurm", "/home/a", "/opt/apportion", {"run", "/home/a/job.ini"}, 1, 0, 120};
}

TEST(BatchFile, AShellReadsEachWordAsItWas) {
  for (const std::string word : {"", "plain-1_./=:,+@%", "two words", "it's", "\"x\"", "$HOME", "`id`",
                                 "a\\b", "*", "~", "#", "x;y&z|", "é"}) {
    EXPECT_EQ(shell("printf %s " + shell_word(word)), word);
  }
}

TEST(BatchFile, RanksAreAskedForOrTheSitesOrOneAGpu) {
  BatchRequest asked = request();
  Site site;
  EXPECT_EQ(ranks_of(asked, site), 1);
  site.gpus_a_node = 4;
  EXPECT_EQ(ranks_of(asked, site), 4);
  site.ranks = 8;
  EXPECT_EQ(ranks_of(asked, site), 8);
  asked.ranks = 2;
  EXPECT_EQ(ranks_of(asked, site), 2);
}

TEST(BatchFile, AnArrayHasAsManyMembersAsMayWorkAtATime) {
  BatchRequest several = request();
  EXPECT_THAT(render_batch_file(several, {}), HasSubstr("#SBATCH --array=0-0\n"));
  several.members = 7;
  EXPECT_THAT(render_batch_file(several, {}), HasSubstr("#SBATCH --array=0-6\n"));
}

TEST(BatchFile, TheGraceIsWhatSlurmIsAskedFor) {
  BatchRequest own = request();
  own.grace_s = 30.5;
  EXPECT_THAT(render_batch_file(own, {}), HasSubstr("#SBATCH --signal=B:USR1@31\n"));
}

TEST(BatchFile, WhatTheSiteLeavesOutIsLeftToSlurm) {
  const std::string text = render_batch_file(request(), {});
  for (const char* option : {"--account", "--partition", "--time", "--mem", "--gpus", "--ntasks-per-node",
                             "--cpus-per-task", "module", "export"})
    EXPECT_THAT(text, Not(HasSubstr(option)));
}

TEST(BatchFile, EnvironmentIsFilledInAndNothingInItIsRun) {
  Site site;
  site.environment = {{"A", "$HOME/x ${HOME} \"q\" `id` $(id) \\ $"}};
  const std::string text = render_batch_file(request(), site);
  const size_t at = text.find("export A=");
  const std::string line = text.substr(at, text.find('\n', at) - at);
  EXPECT_EQ(shell("HOME=/h; " + line + "; printf %s \"$A\""), "/h/x /h \"q\" `id` $(id) \\ $");
}

TEST(BatchFile, RefusesWhatItCannotHold) {
  BatchRequest broken = request();
  broken.folder = "/a\nb";
  EXPECT_THROW(render_batch_file(broken, {}), UserError);
  broken = request();
  broken.arguments.push_back("--output=a\nb");
  EXPECT_THROW(render_batch_file(broken, {}), UserError);
}

TEST(BatchFile, ATimeThatIsMostlyGraceIsRefused) {
  Site site;
  site.time = "5";
  EXPECT_THROW(render_batch_file(request(), site), UserError);
  site.time = "6";
  EXPECT_NO_THROW(render_batch_file(request(), site));
}

}  // namespace
}  // namespace apportion
