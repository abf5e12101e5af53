// What --version prints from what a build records, and when nothing is recorded.
#include "shared/config/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Version, PrintsEveryPart) {
  VersionInfo info{"0.1.0", "abc1234", "2.15.0", "Open MPI 4.1.4", "1.10.8", "13.0", "2.28.3"};
  std::string text = format_version(info);
  EXPECT_THAT(text, StartsWith("apportion 0.1.0 (commit abc1234)\n"));
  for (const char* part : {"LibTorch  2.15.0\n", "MPI       Open MPI 4.1.4\n", "HDF5      1.10.8\n",
                           "CUDA      13.0\n", "NCCL      2.28.3\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Version, SaysWhatIsNotBuilt) {
  std::string text = format_version({});
  EXPECT_THAT(text, HasSubstr("CUDA      not built\n"));
  EXPECT_THAT(text, HasSubstr("NCCL      not built\n"));
  EXPECT_THAT(text, HasSubstr("commit unrecorded"));
}

}  // namespace
}  // namespace apportion
