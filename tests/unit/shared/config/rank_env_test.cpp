// A rank's place from made-up environments of each launcher, the real affinity mask, and the share of
// threads.
#include "shared/config/rank_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using Environment = std::map<std::string, std::string>;

EnvironmentLookup lookup_in(const Environment& environment) {
  return [environment](const char* name) -> const char* {
    auto found = environment.find(name);
    // Returns static storage, as getenv does.
    static thread_local std::map<std::string, std::string> kept;
    return found == environment.end() ? nullptr : (kept[name] = found->second).c_str();
  };
}

std::string error_of(const Environment& environment) {
  try {
    read_rank_env(lookup_in(environment));
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

const Environment open_mpi = {{"OMPI_COMM_WORLD_RANK", "5"},
                              {"OMPI_COMM_WORLD_SIZE", "8"},
                              {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                              {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                              {"PMIX_RANK", "5"},
                              {"SLURM_PROCID", "0"}};

TEST(ReadBatchJob, IsSlurmsJobOrTheArraysTask) {
  EXPECT_EQ(read_batch_job(lookup_in({})).id, "");
  EXPECT_EQ(read_batch_job(lookup_in({{"SLURM_ARRAY_JOB_ID", "3"}, {"SLURM_ARRAY_TASK_ID", "1"}})).id, "");
  BatchJob job = read_batch_job(lookup_in({{"SLURM_JOB_ID", "12"}}));
  EXPECT_EQ(job.id, "12");
  EXPECT_EQ(job.restarts, 0);
  EXPECT_EQ(job.end_time, 0);
  job = read_batch_job(lookup_in({{"SLURM_JOB_ID", "12"},
                                  {"SLURM_ARRAY_JOB_ID", "11"},
                                  {"SLURM_ARRAY_TASK_ID", "3"},
                                  {"SLURM_RESTART_COUNT", "2"},
                                  {"SLURM_JOB_END_TIME", "1795000000"}}));
  EXPECT_EQ(job.id, "11_3");
  EXPECT_EQ(job.restarts, 2);
  EXPECT_EQ(job.end_time, 1795000000);
}

TEST(ReadBatchJob, NamesASenselessVariable) {
  for (const std::string name : {"SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_END_TIME"}) {
    Environment environment = {{"SLURM_JOB_ID", "12"}};
    environment[name] = "../x";
    try {
      read_batch_job(lookup_in(environment));
      ADD_FAILURE() << name;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(name + " = '../x' must be"));
    }
  }
}

TEST(StopTime, IsTheGraceBeforeTheEndButLeavesHalfOfTheTime) {
  const BatchJob job{"1", 0, 1000};
  EXPECT_EQ(stop_time(job, 120, 0), 880);
  EXPECT_EQ(stop_time(job, 120, 800), 900);
  EXPECT_EQ(stop_time(job, 120, 1000), 0);  // already over, so from another job
  EXPECT_EQ(stop_time({"1", 0, 0}, 120, 800), 0);
}

TEST(ReadRankEnv, IsAloneWithoutALauncher) {
  RankEnv env = read_rank_env(lookup_in({}));
  EXPECT_EQ(env.launcher, Launcher::none);
  EXPECT_EQ(env.size, 1);
  EXPECT_EQ(env.local_size, 1);
  // A batch script's shell has these without being a rank.
  env = read_rank_env(lookup_in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
  EXPECT_EQ(env.launcher, Launcher::none);
  EXPECT_EQ(env.size, 1);
}

TEST(ReadRankEnv, KnowsOpenMpiAlsoInsideSlurm) {
  RankEnv env = read_rank_env(lookup_in(open_mpi));
  EXPECT_EQ(env.launcher, Launcher::open_mpi);
  EXPECT_EQ(env.rank, 5);
  EXPECT_EQ(env.size, 8);
  EXPECT_EQ(env.local_rank, 1);
  EXPECT_EQ(env.local_size, 4);
}

TEST(ReadRankEnv, KnowsSrunWithUnevenNodes) {
  Environment slurm = {{"PMIX_RANK", "6"},     {"SLURM_PROCID", "6"},
                       {"SLURM_LOCALID", "0"}, {"SLURM_STEP_NUM_TASKS", "8"},
                       {"SLURM_NTASKS", "9"},  {"SLURM_STEP_TASKS_PER_NODE", "3(x2),2"},
                       {"SLURM_NODEID", "2"}};
  RankEnv env = read_rank_env(lookup_in(slurm));
  EXPECT_EQ(env.launcher, Launcher::slurm);
  EXPECT_EQ(env.rank, 6);
  EXPECT_EQ(env.size, 8);
  EXPECT_EQ(env.local_size, 2);
  slurm["SLURM_NODEID"] = "1";
  EXPECT_EQ(read_rank_env(lookup_in(slurm)).local_size, 3);
  slurm["SLURM_NODEID"] = "3";
  EXPECT_THAT(error_of(slurm), HasSubstr("SLURM_STEP_TASKS_PER_NODE = '3(x2),2'"));
  for (const char* text : {"", "3(x", "(x2)", "3(x2", "x", "3,,2", "0", "3(x99999999999999999999)"}) {
    slurm["SLURM_STEP_TASKS_PER_NODE"] = text;
    EXPECT_THAT(error_of(slurm), HasSubstr("SLURM_STEP_TASKS_PER_NODE")) << text;
  }
}

TEST(ReadRankEnv, SaysHowToStartTasksThatCannotFindEachOther) {
  const RankEnv slurm =
      read_rank_env(lookup_in({{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}}));
  EXPECT_EQ(slurm.rank, 3);
  EXPECT_EQ(slurm.size, 4);
  EXPECT_THAT(slurm.problem, testing::AllOf(HasSubstr("SLURM_STEP_NUM_TASKS = 4"), HasSubstr("--mpi=pmix")));
  EXPECT_THAT(read_rank_env(lookup_in({{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "4"}})).problem,
              HasSubstr("SLURM_NTASKS = 4"));
  EXPECT_EQ(read_rank_env(lookup_in({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}})).problem, "");
  const RankEnv other = read_rank_env(lookup_in({{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}}));
  EXPECT_EQ(other.rank, 2);
  EXPECT_THAT(other.problem, HasSubstr("PMI_SIZE = 4"));
}

TEST(ReadRankEnv, NamesTheVariableThatIsWrong) {
  Environment environment = open_mpi;
  environment["OMPI_COMM_WORLD_RANK"] = "8";
  EXPECT_EQ(error_of(environment), "environment: OMPI_COMM_WORLD_RANK = '8' must be an integer from 0 to 7");
  environment["OMPI_COMM_WORLD_RANK"] = "five";
  EXPECT_THAT(error_of(environment), HasSubstr("OMPI_COMM_WORLD_RANK = 'five'"));
  environment = open_mpi;
  environment.erase("OMPI_COMM_WORLD_LOCAL_SIZE");
  EXPECT_THAT(error_of(environment), HasSubstr("OMPI_COMM_WORLD_LOCAL_SIZE is not set"));
}

TEST(CountCores, SeesANarrowedMask) {
  // In a separate thread, so that the test process keeps its mask.
  std::thread([] {
    const int before = count_cores({}).allowed;
    EXPECT_GE(before, 1);
    cpu_set_t mask, one;
    CPU_ZERO(&one);
    ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
      if (CPU_ISSET(core, &mask)) CPU_SET(core, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    Cores cores = count_cores({});
    EXPECT_EQ(cores.allowed, 1);
    EXPECT_EQ(cores.available, 1);
  }).join();
}

TEST(CountCores, TakesSlurmsCoresPerTask) {
  RankEnv env;
  env.launcher = Launcher::slurm;
  env.local_size = 100;
  EXPECT_GE(count_cores(env, lookup_in({{"SLURM_CPUS_PER_TASK", "8"}}), "/nowhere").available, 800);
  EXPECT_THROW(count_cores(env, lookup_in({{"SLURM_CPUS_PER_TASK", "none"}})), UserError);
}

TEST(CountCores, TakesTheQuotaOfTheControlGroup) {
  const std::string root = testing::TempDir() + "rank_env_" + std::to_string(::getpid());
  make_directories(root + "/proc/self");
  make_directories(root + "/sys/fs/cgroup");
  write_file(root + "/proc/self/cgroup", "0::/\n");
  RankEnv env;
  env.launcher = Launcher::slurm;
  env.local_size = 2;
  for (const auto& [quota, cores] : {std::pair("50000", 1), std::pair("100000", 1), std::pair("390000", 3)}) {
    write_file(root + "/sys/fs/cgroup/cpu.max", std::string(quota) + " 100000\n");
    const Cores counted = count_cores(env, lookup_in({{"SLURM_CPUS_PER_TASK", "8"}}), root);
    EXPECT_EQ(counted.available, cores);
    EXPECT_LE(counted.allowed, cores);
    EXPECT_EQ(threads_for_rank(counted, 2, 0), 1);
  }
  std::filesystem::remove_all(root);
}

TEST(CountCores, TakesOpenMpsVariable) {
  auto most = [](const char* text) {
    return count_cores({}, lookup_in({{"OMP_NUM_THREADS", text}})).most_threads;
  };
  const int none = Cores().most_threads;
  EXPECT_EQ(most("3"), 3);
  EXPECT_EQ(most("2,4"), 2);
  for (const char* text : {"", "0", "many", "-1"}) EXPECT_EQ(most(text), none) << text;
  EXPECT_EQ(threads_for_rank({16, 16, 3}, 2, 0), 3);
  EXPECT_EQ(threads_for_rank({16, 16, 9}, 2, 0), 8);
  EXPECT_EQ(threads_for_rank({16, 16, 3}, 2, 5), 5);
}

TEST(ThreadsForRank, SharesTheNodeWithinTheMask) {
  EXPECT_EQ(threads_for_rank({16, 16}, 1, 0), 16);
  EXPECT_EQ(threads_for_rank({16, 16}, 4, 0), 4);  // unbound: all ranks share the mask
  EXPECT_EQ(threads_for_rank({8, 16}, 2, 0), 8);   // bound to halves: each has its own
  EXPECT_EQ(threads_for_rank({1, 16}, 2, 0), 1);   // bound to a core
  EXPECT_EQ(threads_for_rank({2, 2}, 4, 0), 1);    // oversubscribed
  EXPECT_EQ(threads_for_rank({1, 16}, 2, 5), 5);   // as requested
}

TEST(ThreadsWarning, SpeaksOnlyWhenSomethingIsLost) {
  EXPECT_THAT(threads_warning({1, 16}, 2, 0), HasSubstr("bound to one core, though 16 cores"));
  EXPECT_EQ(threads_warning({1, 2}, 2, 0), "");  // one core is this rank's whole share
  EXPECT_EQ(threads_warning({1, 1}, 1, 0), "");
  EXPECT_EQ(threads_warning({16, 16}, 2, 8), "");
  EXPECT_THAT(threads_warning({2, 2}, 1, 3), HasSubstr("threads = 3 on 2 allowed core(s)"));
}

}  // namespace
}  // namespace apportion
