// A hub model by its name: where it is looked for, and what is said if it is not there.
#include "shared/model_files/folder/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

constexpr const char* commit = "0123456789abcdef0123456789abcdef01234567";

TEST(HubCache, FindsTheSnapshotOfTheMainBranch) {
  testing::DatasetFolder home;
  ::unsetenv("HF_HUB_CACHE");
  ::unsetenv("HUGGINGFACE_HUB_CACHE");
  ::setenv("HF_HOME", home.path().c_str(), 1);
  const std::string model = home.path() + "/hub/models--owner--a-model-1.5",
                    snapshot = model + "/snapshots/" + commit;
  const auto error_of = [] {
    try {
      return find_in_hub_cache("owner/a-model-1.5");
    } catch (const UserError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(error_of(), ::testing::AllOf(::testing::HasSubstr(model),
                                           ::testing::HasSubstr("hf download owner/a-model-1.5")));
  make_directories(snapshot);
  make_directories(model + "/refs");
  write_file(model + "/refs/main", std::string(commit) + "\n");
  EXPECT_THAT(error_of(), ::testing::HasSubstr("hf download")) << "it was not fetched to the end";
  write_file(snapshot + "/config.json", "{}");
  EXPECT_EQ(error_of(), snapshot);
  EXPECT_EQ(hub_name_of_folder(snapshot), "owner/a-model-1.5");
  EXPECT_EQ(hub_name_of_folder(home.path()), "");
  write_file(model + "/refs/main", "../../elsewhere");
  EXPECT_THAT(error_of(), ::testing::HasSubstr("hf download")) << "no commit";
  ::unsetenv("HF_HOME");
}

TEST(HubCache, NamesHaveAnOwner) {
  EXPECT_TRUE(is_hub_name("meta-llama/Llama-3.2-1B-Instruct"));
  for (const char* other : {"smollm2", "./model", "/a/b", "a/b/c", "../b", "a/", ""})
    EXPECT_FALSE(is_hub_name(other)) << other;
}

}  // namespace
}  // namespace apportion
