// A whole job on real ranks: it gives the same adapters and histograms as one process, byte for byte, with
// all ranks in one group and with tasks spread over groups; and every rank of a group computes a part.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>
#include <thread>

#include "coordinator/job.h"
#include "shared/base/file_system.h"
#include "shared/config/method.h"
#include "shared/link/link_memory.h"
#include "shared/link/link_mpi.h"
#include "shared/store/index.h"
#include "shared/store/task_file.h"
#include "tests/support/mpi_main.h"
#include "tests/support/small_job.h"
#include "worker/parallel/collectives.h"
#include "worker/worker.h"

namespace apportion {
namespace {

/// mpirun is the parent of all ranks.
const std::string& directory() {
  static const std::string path = testing::TempDir() + "apportion_test." + std::to_string(::getppid());
  return path;
}

void run_job_in_thread(Link& link, const RunConfig& config, int ranks) {
  try {
    JobEnvironment environment;
    environment.name = "colours";
    environment.ranks = ranks;
    run_job(link, {{"", {}, config}}, environment);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coordinator: %s\n", error.what());
    test_ranks().abort(1);
  }
}

RunConfig config_for(const std::string& name, int group_size) {
  RunConfig config = small_job(directory(), directory() + "/" + name);
  config.train_compute_type = ComputeType::float32;
  config.ranks.group_size = group_size;
  return config;
}

/// Only on the calling rank.
void run_in_one_process(const RunConfig& config) {
  MemoryLinks links(1);
  std::thread coordinator([&] { run_job_in_thread(links.coordinator(), config, 1); });
  serve(links.worker(0), {});
  coordinator.join();
}

/// Collective.
void run_on_all_ranks(const RunConfig& config) {
  MpiLink link(test_ranks(), [](int exit_code) { test_ranks().abort(exit_code); });
  std::thread coordinator;
  if (test_ranks().rank() == 0) {
    coordinator = std::thread([&] { run_job_in_thread(link.coordinator(), config, test_ranks().size()); });
  }
  serve(link.worker(), {test_ranks().local_rank(), test_ranks().local_size(), 1});
  if (coordinator.joinable()) coordinator.join();
}

/// The task ids of all cells, by cell and name.
std::map<std::string, std::string> tasks_of(const std::string& results, bool training) {
  std::map<std::string, std::string> tasks;
  for (const Cell& cell : read_index(results)) {
    for (const auto& [name, id] : training ? cell.training : cell.measures)
      tasks[cell.name + "/" + name] = id;
  }
  return tasks;
}

/// Everything in a training task's file that must be equal, and the bytes of what was trained.
std::string training_bytes(const std::string& results, const std::string& id) {
  Done done;
  TrainFile file = read_train_file(result_path(results, id));
  done.log = file.log;
  done.log.seconds.clear();
  done.adapter_digest = file.adapter_digest;
  return encode(done) + read_file(trains_all_weights(file.record.task)
                                      ? weights_directory(results, id) + "/model.safetensors"
                                      : adapter_directory(results, id) + "/adapter_model.safetensors");
}

std::string measure_bytes(const std::string& results, const std::string& id) {
  return encode(Histogram{id, 0, read_measure_file(result_path(results, id)).result.prompts});
}

void expect_equal_results(const std::string& one, const std::string& other) {
  ASSERT_EQ(tasks_of(one, true), tasks_of(other, true));
  ASSERT_EQ(tasks_of(one, false), tasks_of(other, false));
  for (const auto& [name, id] : tasks_of(one, true)) {
    EXPECT_EQ(training_bytes(one, id), training_bytes(other, id)) << name;
  }
  for (const auto& [name, id] : tasks_of(one, false)) {
    EXPECT_EQ(measure_bytes(one, id), measure_bytes(other, id)) << name;
  }
}

std::vector<int> counts_by_rank(const std::string& results, const std::string& id, const std::string& key) {
  std::vector<int> counts;
  for (const auto& [name, value] : read_task_record(result_path(results, id)).about) {
    if (name != key) continue;
    std::istringstream numbers(value);
    for (std::string number; std::getline(numbers, number, ',');) counts.push_back(std::stoi(number));
  }
  return counts;
}

void expect_every_rank_worked(const std::string& results, const std::string& id, const std::string& key) {
  std::vector<int> counts = counts_by_rank(results, id, key);
  EXPECT_EQ(counts.size(), static_cast<size_t>(test_ranks().size())) << key;
  for (int count : counts) EXPECT_GE(count, 1) << key;
}

/// Some numbers of ranks run only with tests/run.sh --long, because another number tests the same.
bool is_long() { return std::getenv("APPORTION_LONG") != nullptr; }

/// A base in one shard is laid out as in the other tests.
bool has_shards() { return test_ranks().size() > 1 || is_long(); }

class ApportionTest : public testing::Test {
 protected:
  /// Rank 0 makes one process's results once, and all tests compare theirs with them.
  static void SetUpTestSuite() {
    if (test_ranks().rank() == 0) {
      std::filesystem::remove_all(directory());
      write_small_job(directory());
      testing::internal::CaptureStdout();
      run_in_one_process(config_for("one", 0));
      testing::internal::GetCapturedStdout();
    }
    wait_for_all();
  }
  static void TearDownTestSuite() {
    wait_for_all();
    if (test_ranks().rank() == 0) std::filesystem::remove_all(directory());
  }

  /// Keeps only those results of earlier tests, since a finished task would not be redone.
  void SetUp() override {
    if (test_ranks().rank() == 0) {
      std::vector<std::filesystem::path> others;
      for (const auto& entry : std::filesystem::directory_iterator(directory()))
        if (std::filesystem::exists(entry.path() / "tasks") && entry.path().filename() != "one")
          others.push_back(entry.path());
      for (const auto& path : others) std::filesystem::remove_all(path);
    }
    wait_for_all();
  }
  void TearDown() override { wait_for_all(); }

  static void wait_for_all() {
    static int tag = 1000;  // above all tags of a job's groups
    std::vector<int> ranks(static_cast<size_t>(test_ranks().size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    make_mpi_collectives(ranks, ++tag, 50)->barrier();
  }

  static void run_and_compare(int group_size) { run_and_compare(config_for("all", group_size)); }
  static void run_and_compare(const RunConfig& config) {
    testing::internal::CaptureStdout();
    run_on_all_ranks(config);
    testing::internal::GetCapturedStdout();
    if (test_ranks().rank() == 0) expect_equal_results(directory() + "/one", directory() + "/all");
  }
};

TEST_F(ApportionTest, OneGroupOfAllRanksGivesTheBytesOfOneProcess) {
  run_and_compare(test_ranks().size());
  if (test_ranks().rank() != 0) return;
  std::string results = directory() + "/all";
  for (const auto& [name, id] : tasks_of(results, true))
    expect_every_rank_worked(results, id, "micro_batches_by_rank");
  for (const auto& [name, id] : tasks_of(results, false))
    expect_every_rank_worked(results, id, "units_by_rank");
}

/// One group in which `shard_size` ranks hold the base together, each as if on its own machine.
RunConfig sharded_config(int shard_size, Residence resident, Recompute recompute) {
  RunConfig config = config_for("all", test_ranks().size());
  config.ranks.shard_size = shard_size;
  config.ranks.node_sharing = false;
  config.ranks.resident = resident;
  config.ranks.recompute = recompute;
  return config;
}

TEST_F(ApportionTest, ShardsGatheredEachPassGiveTheBytesOfOneProcess) {
  if (!has_shards()) return;
  run_and_compare(sharded_config(test_ranks().size(), Residence::never, Recompute::never));
}

TEST_F(ApportionTest, ShardsAndBlocksComputedTwiceGiveTheBytesOfOneProcess) {
  run_and_compare(sharded_config(test_ranks().size(), Residence::never, Recompute::always));
}

TEST_F(ApportionTest, ShardsThatStayGiveTheBytesOfOneProcess) {
  if (!has_shards()) return;
  run_and_compare(sharded_config(test_ranks().size(), Residence::always, Recompute::never));
}

TEST_F(ApportionTest, ABaseInSharedMemoryGivesTheBytesOfOneProcess) {
  if (!has_shards()) return;
  RunConfig config = sharded_config(test_ranks().size(), Residence::never, Recompute::never);
  config.ranks.node_sharing = true;
  run_and_compare(config);
}

TEST_F(ApportionTest, ReplicasOfShardsGiveTheBytesOfOneProcess) {
  if (test_ranks().size() % 2 != 0) return;
  run_and_compare(sharded_config(2, Residence::never, Recompute::always));
}

/// Both stages train all weights, and the measurement afterwards uses the result.
TEST_F(ApportionTest, AllWeightsInShardsOnAllRanks) {
  const int ranks = test_ranks().size();
  auto all_weights = [](RunConfig config, const std::string& name) {
    resolve_option(config, "adapter", "none");
    resolve_option(config, "sft_optimizer", "adamw");
    config.output.directory = directory() + "/" + name;
    return config;
  };
  testing::internal::CaptureStdout();
  if (test_ranks().rank() == 0) run_in_one_process(all_weights(config_for("", 0), "all-weights-one"));
  wait_for_all();
  const int shard_size = ranks == 4 ? 2 : ranks;
  run_on_all_ranks(
      all_weights(sharded_config(shard_size, Residence::automatic, Recompute::never), "all-weights"));
  testing::internal::GetCapturedStdout();
  if (test_ranks().rank() != 0) return;
  const std::string one = directory() + "/all-weights-one", all = directory() + "/all-weights";
  if (ranks != 3) return expect_equal_results(one, all);
  for (const auto& [name, id] : tasks_of(one, true)) {
    const TrainLog log = read_train_file(result_path(one, id)).log,
                   other = read_train_file(result_path(all, id)).log;
    ASSERT_EQ(log.loss.size(), other.loss.size());
    for (size_t step = 0; step < log.loss.size(); ++step)
      EXPECT_NEAR(other.loss[step] / log.loss[step], 1, 1e-5) << name << ", step " << step;
  }
}

TEST_F(ApportionTest, TasksSpreadOverGroupsGiveTheBytesOfOneProcess) { run_and_compare(0); }

/// The small job with every method in one folder; tasks that methods share are done once.
RunConfig method_config(const std::string& name, const MethodDescription& method) {
  RunConfig config = config_for(name, 0);
  resolve_option(config, "method", method.name);
  resolve_option(config, "test_sets", "v2");
  return config;
}

/// Runs it and returns the report (from rank 0).
template <typename Run>
std::string report_of(const Run& run) {
  testing::internal::CaptureStdout();
  run();
  return testing::internal::GetCapturedStdout();
}

enum class Kind { asks, trains_plain, trains_steered };

Kind kind_of(const MethodDescription& method) {
  if (method.stages.empty()) return Kind::asks;
  return method.stages[0].answers == AnswerStyle::plain ? Kind::trains_plain : Kind::trains_steered;
}

/// Every method of this kind gives the same bytes in one process and on all ranks, and a row of the report.
/// Other numbers of ranks would add nothing to two here: the tests above spread the same tasks over more.
void run_methods(Kind kind, const std::function<void()>& wait_for_all) {
  if (test_ranks().size() > 2 || (test_ranks().size() == 1 && !is_long())) return;
  size_t methods = 0;
  for (const MethodDescription& method : method_table()) {
    if (kind_of(method) != kind) continue;
    ++methods;
    if (test_ranks().rank() == 0) {
      report_of([&] { run_in_one_process(method_config("methods-one", method)); });
    }
    wait_for_all();
    const std::string report = report_of([&] { run_on_all_ranks(method_config("methods-all", method)); });
    if (test_ranks().rank() != 0) continue;
    const size_t heading = report.find(" " + method.name + " ");
    ASSERT_NE(heading, std::string::npos) << report;
    const std::string row = method.name == "zero-shot" ? "before, v2" : "after, v2";
    EXPECT_NE(report.find(row, heading), std::string::npos) << method.name << "\n" << report;
  }
  if (test_ranks().rank() != 0) return;
  expect_equal_results(directory() + "/methods-one", directory() + "/methods-all");
  EXPECT_EQ(read_index(directory() + "/methods-all").size(), methods);
}

TEST_F(ApportionTest, MethodsThatAskGiveTheBytesOfOneProcess) { run_methods(Kind::asks, wait_for_all); }

TEST_F(ApportionTest, MethodsOfPlainAnswersGiveTheBytesOfOneProcess) {
  run_methods(Kind::trains_plain, wait_for_all);
}

TEST_F(ApportionTest, MethodsOfSteeredAnswersGiveTheBytesOfOneProcess) {
  run_methods(Kind::trains_steered, wait_for_all);
}

/// The joint example, whose 16 categories are too many for digits, with this kind of steering.
RunConfig joint_config(const std::string& name, const std::string& steering) {
  RunConfig config = config_for(name, 0);
  resolve_option(config, "dataset",
                 std::string(std::getenv("APPORTION_SOURCE")) + "/tests/support/hair-and-eyes");
  resolve_option(config, "steering", steering);
  resolve_option(config, "sft_weights", steering == "path" ? "sequence" : "split");
  resolve_option(config, "test_sets", "v2");
  resolve_option(config, "max_answer_tokens", "24");
  return config;
}

/// On two ranks only, like the methods.
TEST_F(ApportionTest, LettersAndPathsGiveTheBytesOfOneProcess) {
  if (test_ranks().size() != 2 && !is_long()) return;
  for (const char* steering : {"letter", "path"}) {
    if (test_ranks().rank() == 0) report_of([&] { run_in_one_process(joint_config("joint-one", steering)); });
    wait_for_all();
    const std::string report = report_of([&] { run_on_all_ranks(joint_config("joint-all", steering)); });
    if (test_ranks().rank() != 0) continue;
    EXPECT_NE(report.find("after, v2"), std::string::npos) << report;
    expect_equal_results(directory() + "/joint-one", directory() + "/joint-all");
    const auto training = tasks_of(directory() + "/joint-all", true);
    ASSERT_EQ(training.size(), 2u) << steering;
    for (const auto& [name, id] : training) {
      const TrainFile file = read_train_file(result_path(directory() + "/joint-all", id));
      EXPECT_GE(file.log.coverage.back(), 0) << name;  // NaN if nothing stands for a category
      const bool kto = std::string(steering) != "path" && name.ends_with("calibrate");
      EXPECT_EQ(file.log.kto.back() != 0, kto) << steering << ", " << name;
    }
  }
}

}  // namespace
}  // namespace apportion
