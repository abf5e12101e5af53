// Processor quotas of invented control groups.
#include "shared/base/processor_limits.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "tests/support/pretend_machine.h"

namespace apportion {
namespace {

class ProcessorLimits : public testing::PretendMachine {};

TEST_F(ProcessorLimits, TheTightestGroupAboveCounts) {
  EXPECT_TRUE(std::isinf(processor_quota(root_)));
  put("/proc/self/cgroup", "0::/slurm/job_7\n");
  put("/sys/fs/cgroup/slurm/job_7/cpu.max", "max 100000\n");
  EXPECT_TRUE(std::isinf(processor_quota(root_)));
  put("/sys/fs/cgroup/slurm/cpu.max", "250000 100000\n");
  EXPECT_EQ(processor_quota(root_), 2.5);
  put("/sys/fs/cgroup/cpu.max", "50000 100000\n");  // a container's own group is its root
  EXPECT_EQ(processor_quota(root_), 0.5);
}

TEST_F(ProcessorLimits, VersionOneHasAControllerOfItsOwn) {
  put("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/b\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_TRUE(std::isinf(processor_quota(root_)));
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "200000\n");
  EXPECT_EQ(processor_quota(root_), 1.5);
}

}  // namespace
}  // namespace apportion
