// The lock that one run holds on its directory; where flock is not to be had: tests/system/use/files_test.sh.
#include "shared/base/directory_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class DirectoryLockTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::string folder_ = testing::TempDir() + "directory_lock_test." + std::to_string(::getpid());
};

TEST_F(DirectoryLockTest, ASecondLockIsRefusedAndNamesTheHolder) {
  DirectoryLock lock(folder_);
  EXPECT_THAT([&] { DirectoryLock second(folder_); },
              ThrowsMessage<UserError>(
                  testing::AllOf(HasSubstr("process " + std::to_string(::getpid())), HasSubstr(folder_))));
}

TEST_F(DirectoryLockTest, TheLockEndsWithItsHolder) {
  { DirectoryLock lock(folder_); }
  DirectoryLock lock(folder_);
}

TEST_F(DirectoryLockTest, AKilledProcessFreesItsLock) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    DirectoryLock lock(folder_);
    char byte = 'x';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT([&] { DirectoryLock second(folder_); },
              ThrowsMessage<UserError>(HasSubstr("process " + std::to_string(child))));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_NO_THROW({ DirectoryLock lock(folder_); });
}

}  // namespace
}  // namespace apportion
