// Who counts as working in a folder, and that clearing it and entering it notice each other.
#include "coordinator/folder/members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <sstream>
#include <thread>

#include "coordinator/folder/folder_claims.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

TEST(Members, OneThatIsSilentForAMinuteIsGone) {
  TemporaryDirectory directory;
  write_stranger(directory.path(), "gone", 90);
  EXPECT_NO_THROW(require_idle(directory.path(), "gc"));
  write_stranger(directory.path(), "alive", 20);
  try {
    require_idle(directory.path(), "gc");
    ADD_FAILURE() << "it is alive";
  } catch (const UserError& error) {
    EXPECT_EQ(error.what(),
              "gc: alive works in " + directory.path() + " (job j); wait until it has ended, or stop it");
  }
  EXPECT_NO_THROW(require_idle(directory.path(), "gc", "alive")) << "who asks does not count";
}

TEST(Members, TheFoldersClockIsThatOfItsFiles) {
  TemporaryDirectory directory;
  EXPECT_NEAR(folder_seconds(directory.path() + "/absent"), unix_seconds(), 2) << "this host's";
  make_directories(members_directory(directory.path()));
  EXPECT_NEAR(folder_seconds(directory.path()), unix_seconds(), 2);
  EXPECT_TRUE(names_in(members_directory(directory.path())).empty()) << "what was written to see it is left";
}

TEST(Members, AFolderMustBeOne) {
  TemporaryDirectory directory;
  write_file(directory.path() + "/file", "");
  EXPECT_NO_THROW(require_folder(directory.path(), "pack"));
  for (const char* name : {"/file", "/absent"})
    EXPECT_THROW(require_folder(directory.path() + name, "pack"), UserError) << name;
}

TEST(Members, ARunThatComesWaitsUntilTheFolderIsCleared) {
  TemporaryDirectory directory;
  auto clearing = std::make_unique<Leases>(directory.path(), "gc", 60);
  ASSERT_TRUE(clearing->take(clearing_lease).ours);
  std::atomic<bool> entered = false;
  std::ostringstream said;
  std::thread run([&] {
    Status status(StatusOptions{}, said, [] { return 0.0; });
    FolderClaims claims({directory.path(), "smoke"}, status);
    entered = true;
  });
  // Its sign of life is there before it waits, so whoever clears could have seen it.
  while (read_members(directory.path()).size() < 2) std::this_thread::yield();
  constexpr std::chrono::milliseconds a_while(400);
  std::this_thread::sleep_for(a_while);
  EXPECT_FALSE(entered);
  clearing.reset();
  run.join();
  EXPECT_TRUE(entered);
  EXPECT_THAT(said.str(), testing::HasSubstr("waits until `apportion gc`"));
}

TEST(DoingText, SixtyFourTasksTakeTheRoomOfOne) {
  MemberStatus member{"m", "host", "job", ""};
  EXPECT_EQ(doing_text(member), "");
  member.doing = {"stage 1 (seed=0) 3/420", "after, v2 (seed=1) 2/5"};
  EXPECT_EQ(doing_text(member), "stage 1 (seed=0) 3/420; after, v2 (seed=1) 2/5");
  member.doing = {"after, v2 (seed=64) 2/5"};
  for (int seed = 0; seed < 62; ++seed)
    member.doing.push_back("stage 1 (seed=" + std::to_string(seed) + ") 10/420");
  member.doing.push_back("index (of a version to come) soon");
  EXPECT_EQ(doing_text(member), "after, v2 of 1 task 2/5; index of 1 task; stage 1 of 62 tasks 620/26040");
}

}  // namespace
}  // namespace apportion
