// Site files as people write them; each mistake is reported with its line and what would be right.
#include "coordinator/submit/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::string refusal(const std::string& text) {
  try {
    parse_site(text, "s.ini");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Site, TakesEveryKey) {
  const Site site = parse_site(
      "# a comment\n\naccount=a1 # another\r\npartition = gpu\nqos = q\nconstraint = a100|h100\nmemory = "
      "64G\n"
      "time = 1-12:00:00\nranks = 8\nranks_a_node = 4\ncores_a_rank = 6\ngpus_a_node = 4\n"
      "launcher = /opt/slurm/bin/srun --mpi=pmix_v4\ncontainer = apptainer exec 'my image.sif'\n"
      "program = /opt/a b\nmodules = gcc/12 openmpi\nmodules = cuda\n"
      "environment = A=b c#d\nenvironment = B=\nsbatch = --exclusive\nsbatch = --mail-type=END",
      "s.ini");
  EXPECT_EQ(site.account, "a1");
  EXPECT_EQ(site.partition, "gpu");
  EXPECT_EQ(site.qos, "q");
  EXPECT_EQ(site.constraint, "a100|h100");
  EXPECT_EQ(site.memory, "64G");
  EXPECT_EQ(site.time, "1-12:00:00");
  EXPECT_EQ(site.ranks, 8);
  EXPECT_EQ(site.ranks_a_node, 4);
  EXPECT_EQ(site.cores_a_rank, 6);
  EXPECT_EQ(site.gpus_a_node, 4);
  EXPECT_EQ(site.launcher, "/opt/slurm/bin/srun --mpi=pmix_v4");
  EXPECT_EQ(site.container, "apptainer exec 'my image.sif'");
  EXPECT_EQ(site.program, "/opt/a b");
  EXPECT_THAT(site.modules, ElementsAre("gcc/12", "openmpi", "cuda"));
  EXPECT_THAT(site.environment, ElementsAre(Pair("A", "b c#d"), Pair("B", "")));
  EXPECT_THAT(site.sbatch, ElementsAre("--exclusive", "--mail-type=END"));
}

TEST(Site, SaysWhereAndWhatWouldBeRight) {
  EXPECT_EQ(refusal("\nacount = x"), "s.ini, line 2: unknown key 'acount'; did you mean 'account'?");
  EXPECT_EQ(refusal("account"), "s.ini, line 1: neither 'key = value' nor a comment that starts with '#'");
  EXPECT_EQ(refusal("ranks = 2\nranks = 3"),
            "s.ini, line 2: key 'ranks' is already set in line 1; keep one of the two");
  EXPECT_EQ(refusal("ranks = 0"), "s.ini, line 1: ranks = '0' must be an integer from 1 to 1000000");
  EXPECT_EQ(refusal("account = a b"),
            "s.ini, line 1: account = 'a b' must be a name without blanks and quotes");
  EXPECT_EQ(refusal("time = soon"),
            "s.ini, line 1: time = 'soon' must be a time in sbatch's form, such as 12:00:00 or 1-12:00:00");
  EXPECT_EQ(refusal("memory = lots"),
            "s.ini, line 1: memory = 'lots' must be memory of a node in sbatch's form, such as 64G");
  EXPECT_EQ(refusal("launcher = srun"),
            "s.ini, line 1: launcher = 'srun' must be mpirun, or srun --mpi=pmix, by name or path, with "
            "further options");
  EXPECT_EQ(refusal("launcher = mpiexec.hydra"),
            "s.ini, line 1: launcher = 'mpiexec.hydra' must be mpirun, or srun --mpi=pmix, by name or path, "
            "with further options");
  EXPECT_EQ(refusal("modules = a;b"),
            "s.ini, line 1: modules = 'a;b' must be names of modules, separated by blanks");
  EXPECT_EQ(refusal("environment = A"), "s.ini, line 1: environment = 'A' must be NAME=VALUE");
  EXPECT_EQ(refusal("environment = 1A=b"), "s.ini, line 1: environment = '1A=b' must be NAME=VALUE");
  EXPECT_EQ(refusal("sbatch = exclusive"),
            "s.ini, line 1: sbatch = 'exclusive' must be an option of sbatch, such as --exclusive");
  for (const char* key : {"account", "partition", "qos", "constraint", "memory", "time", "launcher",
                          "container", "program", "modules"})
    EXPECT_NE(refusal(std::string(key) + " ="), "no error") << key;
}

TEST(Site, KnowsTheSecondsOfATime) {
  const std::vector<std::pair<std::string, double>> times = {
      {"", 0},           {"UNLIMITED", 0}, {"5", 300},        {"5:30", 330},
      {"1:00:00", 3600}, {"2-1", 176400},  {"1-0:30", 88200}, {"1-12:00:05", 129605}};
  for (const auto& [text, seconds] : times) {
    Site site;
    site.time = text;
    EXPECT_EQ(site.time_s(), seconds) << text;
  }
}

TEST(Site, TheExamplesParse) {
  for (const std::string name : {"cpu", "gpu"}) {
    std::string found;
    const Site site = read_site("cluster/sites/" + name + ".ini", found);
    EXPECT_GT(site.ranks, 1) << name;
    EXPECT_EQ(found, "cluster/sites/" + name + ".ini");
  }
}

}  // namespace
}  // namespace apportion
