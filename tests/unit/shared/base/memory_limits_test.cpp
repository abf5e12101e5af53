// How much memory a process can still take, on invented machines with control groups and under its own
// limits.
#include "shared/base/memory_limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "tests/support/pretend_machine.h"

namespace apportion {
namespace {

class MemoryLimits : public testing::PretendMachine {
 protected:
  void put_machine() const {
    put("/proc/meminfo", "MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable: 4000 kB\n");
  }
};

TEST_F(MemoryLimits, RanksDivideTheMachine) {
  EXPECT_TRUE(std::isinf(available_memory(1, root_)));
  put_machine();
  EXPECT_EQ(available_memory(1, root_), 4000 * 1024);
  EXPECT_EQ(available_memory(4, root_), 1000 * 1024);
}

TEST_F(MemoryLimits, TheTightestGroupAboveCounts) {
  put_machine();
  put("/proc/self/cgroup", "0::/slurm/job_7/step_0\n");
  put("/sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
  put("/sys/fs/cgroup/slurm/job_7/step_0/memory.current", "100000\n");
  EXPECT_EQ(available_memory(1, root_), 4000 * 1024);
  put("/sys/fs/cgroup/slurm/job_7/memory.max", "1000000\n");
  put("/sys/fs/cgroup/slurm/job_7/memory.current", "400000\n");
  EXPECT_EQ(available_memory(1, root_), 600000);
  EXPECT_EQ(available_memory(2, root_), 300000);
  put("/sys/fs/cgroup/slurm/job_7/memory.stat", "anon 300000\ninactive_file 50000\n");
  EXPECT_EQ(available_memory(1, root_), 650000);
  // A container sees its own control group as the root.
  put("/sys/fs/cgroup/memory.max", "70000\n");
  put("/sys/fs/cgroup/memory.current", "80000\n");
  EXPECT_EQ(available_memory(1, root_), 0);
}

TEST_F(MemoryLimits, VersionOneHasAControllerOfItsOwn) {
  put_machine();
  put("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:hugetlb,memory:/b\n");
  put("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "500000\n");
  put("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", "200000\n");
  EXPECT_EQ(available_memory(1, root_), 300000);
}

/// Runs in its own process, because not everyone may raise a lowered limit again. The limit is above the
/// address space of 2^47 bytes, most of which a sanitizer maps.
TEST_F(MemoryLimits, LimitsOfTheProcessCount) {
  for (int resource : {RLIMIT_DATA, RLIMIT_AS}) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const bool none = std::isinf(memory_below_limits());
      const rlimit limit = {rlim_t{1} << 50, rlim_t{1} << 50};
      ::setrlimit(static_cast<__rlimit_resource>(resource), &limit);
      const double left = memory_below_limits();
      ::_exit(none && left > 0x1p49 && left < 0x1p50 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace apportion
