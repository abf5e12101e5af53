// Job files as text and as real files: lines in errors, duplicates, comments, and round trips.
#include "shared/config/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    make_run_config(parse_job_file(text, "jobs/x.ini").settings);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseJobFile, ReadsKeysCommentsAndWindowsLines) {
  auto settings =
      parse_job_file("# question\r\n\r\nseed = 7  # lucky\r\n  lora_rank=8\r\noutput =\n", "x.ini").settings;
  ASSERT_EQ(settings.size(), 3u);
  EXPECT_EQ(settings[0].key, "seed");
  EXPECT_EQ(settings[0].value, "7");
  EXPECT_EQ(settings[0].source, "x.ini, line 3");
  EXPECT_EQ(settings[1].value, "8");
  EXPECT_EQ(settings[1].source, "x.ini, line 4");
  EXPECT_EQ(settings[2].value, "");
}

TEST(ParseJobFile, AByteOrderMarkIsNoPartOfTheFirstKey) {
  auto settings = parse_job_file("\xEF\xBB\xBFseed = 7\n", "x.ini").settings;
  ASSERT_EQ(settings.size(), 1u);
  EXPECT_EQ(settings[0].key, "seed");
  EXPECT_EQ(parse_job_file("\xEF\xBB\xBF# comment\n", "x.ini").settings.size(), 0u);
}

TEST(ParseJobFile, ACommentBeginsBehindABlank) {
  EXPECT_EQ(parse_job_file("output = run # 3 # 4\n\t# x#y\n#x\n", "x.ini").settings[0].value, "run");
  for (const char* line :
       {"output = run#3\n", "output = a b#3 # c\n", "seed = 1# c\n", "output =#3\n", "se#ed = 1\n"})
    EXPECT_THAT(error_of(line), HasSubstr("jobs/x.ini, line 1: '#' without a blank before it")) << line;
}

TEST(ParseJobFile, UnknownKeyNamesTheNearestAndTheLine) {
  EXPECT_EQ(error_of("seed = 1\n\n# c\n\n\n\nlerning_rate = 1\n"),
            "jobs/x.ini, line 7: unknown key 'lerning_rate'; did you mean 'sft_learning_rate'?");
}

TEST(ParseJobFile, ADuplicateNamesBothLines) {
  EXPECT_EQ(error_of("seed = 1\nbeta = 1\nseed = 1\n"),
            "jobs/x.ini, line 3: key 'seed' is already set in line 1; keep one of the two");
}

TEST(ParseJobFile, AWrongValueNamesTheLine) {
  EXPECT_EQ(error_of("\nrounds = many\n"),
            "jobs/x.ini, line 2: rounds = 'many' must be an integer from 1 to 10000000");
}

TEST(ParseJobFile, RefusesSectionsLooseTextAndBinary) {
  EXPECT_THAT(error_of("seed = 1\n [data]\n"), HasSubstr("jobs/x.ini, line 2: a section"));
  EXPECT_THAT(error_of("just text\n"), HasSubstr("jobs/x.ini, line 1: neither 'key = value'"));
  EXPECT_THAT(error_of(std::string("seed\0= 1\n", 9)), HasSubstr("line 1: a zero byte"));
  EXPECT_THAT(error_of("= 1\n"), HasSubstr("line 1: unknown key ''"));
}

class JobFileOnDisk : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ =
      testing::TempDir() + "apportion_job_file_" + std::to_string(::getpid()) + "/";
};

TEST_F(JobFileOnDisk, DefaultsParseBackToTheDefaults) {
  write_file(directory_ + "defaults.ini", format_default_job_file());
  auto settings = read_job_file(directory_ + "defaults.ini").settings;
  EXPECT_EQ(settings.size(), option_table().size());
  EXPECT_EQ(make_run_config(settings).resolved, make_run_config({}).resolved);
}

TEST_F(JobFileOnDisk, AResolvedConfigurationParsesBackToItself) {
  RunConfig config = make_run_config({{"seed", "18446744073709551615", "test"},
                                      {"beta", "0.30000000000000004", "test"},
                                      {"exact_threshold", "1e-300", "test"},
                                      {"dataset", "/tmp/my data; x=y [z]", "test"},
                                      {"test_sets", "v3,train", "test"},
                                      {"force", "true", "test"}});
  write_file(directory_ + "resolved.ini", format_job_file(config));
  EXPECT_EQ(make_run_config(read_job_file(directory_ + "resolved.ini").settings).resolved, config.resolved);
}

TEST(JobFiles, EveryOneThatComesWithTheProgramIsValid) {
  // tests/unit/shared/config/ is four folders below the root.
  auto root =
      std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path().parent_path();
  int seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "jobs")) {
    if (entry.path().extension() != ".ini") continue;
    EXPECT_NO_THROW(make_run_config(read_job_file(entry.path()).settings)) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 1);
}

TEST_F(JobFileOnDisk, IsFoundByPathAndByNameFromAnyFolder) {
  write_file(directory_ + "mine.ini", "seed = 1\n");
  EXPECT_EQ(find_job_file(directory_ + "mine.ini"), directory_ + "mine.ini");
  EXPECT_EQ(find_job_file("./absent.ini"),
            "./absent.ini");  // given as a path: reading it reports what is wrong
  for (const char* name : {"smoke.ini", "ablation/lora-qv.ini", "scaling/small.ini"}) {
    EXPECT_TRUE(find_job_file(name).ends_with(std::string("/jobs/") + name)) << find_job_file(name);
  }
  EXPECT_TRUE(find_job_file("jobs/smoke.ini").ends_with("jobs/smoke.ini"));
  EXPECT_THAT([] { find_job_file("jobs/smokes.ini"); },
              testing::ThrowsMessage<UserError>(
                  testing::AllOf(testing::StartsWith("there is no job file jobs/smokes.ini, nor /"),
                                 testing::HasSubstr("/jobs/smokes.ini"))));
}

TEST_F(JobFileOnDisk, AMissingFileIsAUserError) {
  EXPECT_THROW(read_job_file(directory_ + "missing.ini"), UserError);
  EXPECT_THROW(read_job_file(directory_), UserError);
}

}  // namespace
}  // namespace apportion
