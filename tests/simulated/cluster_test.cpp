// Thousands of cells and a thousand members: everything is done once, and members stay busy as long as there
// is work.
#include "tests/simulated/cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "coordinator/folder/folder_claims.h"
#include "shared/base/digest.h"
#include "shared/base/file_system.h"
#include "shared/store/task_file.h"
#include "tests/simulated/virtual_clock.h"
#include "tests/support/memory_claims.h"
#include "tests/support/sample_results.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

void print(const ClusterOptions& options, const ClusterOutcome& outcome) {
  std::printf(
      "%zu cells, %zu members, %zu tasks: all done after %.0f s; busy %.2f%% until nothing was ready (%.0f "
      "s), "
      "%.2f%% of the whole; %zu starts, %zu models loaded; %zu members left and came again, %zu died, %zu "
      "lost "
      "their task; a decision took %.3f ms\n",
      options.cells, options.members, outcome.finished.size(), outcome.end_s, 100 * outcome.busy,
      outcome.tail_s, 100 * outcome.busy_whole, outcome.starts, outcome.loads, outcome.left, outcome.died,
      outcome.lost_lease, 1e3 * outcome.decision_s);
}

TEST(Cluster, AThousandMembersAreBusyAndDoEachTaskOnce) {
  const VirtualClock clock;
  ClusterOptions options;
  options.cells = 10'000;
  options.members = 1'024;
  options.dying = 8;
  options.stopping = 4;
  MemoryFolder folder;
  folder.now = [] { return VirtualClock::now(); };
  Cluster cluster(options, {[&](size_t number) { return std::make_unique<MemoryClaims>(folder, number); },
                            [&](size_t number, bool silent) {
                              folder.silent.erase(number);
                              if (silent) folder.silent[number] = VirtualClock::now();
                            }});
  const ClusterOutcome outcome = cluster.run();
  print(options, outcome);
  EXPECT_THAT(outcome.finished, testing::Each(1));
  EXPECT_GE(outcome.busy, 0.97);
  EXPECT_EQ(outcome.died, options.dying);
  EXPECT_GE(outcome.lost_lease, 1u) << "of those that were stopped, one whom somebody missed meanwhile";
  EXPECT_EQ(folder.taken_over, outcome.died + outcome.lost_lease);
  EXPECT_GT(outcome.left, 0u);
}

/// The smallest possible result of a task.
void write_result(const std::string& folder, const Task& task) {
  const std::string path = result_path(folder, task.id);
  if (task.kind == TaskKind::measure) {
    static const MeasureFile sample = small_measure("v2");
    MeasureFile file = sample;
    file.record.task = task;
    return write_measure_file(path, file);
  }
  TrainFile file = sample_training("sft", "", {});
  file.record.task = task;
  file.adapter_digest = sha256("weights");
  make_directories(adapter_directory(folder, task.id));
  write_file(adapter_directory(folder, task.id) + "/adapter_model.safetensors", "weights");
  write_file(adapter_directory(folder, task.id) + "/adapter_config.json", "{}");
  write_train_file(path, file);
}

/// The same with real files: leases, journals and results.
TEST(Cluster, MembersOfAFolderDoEachTaskOnce) {
  const VirtualClock clock;
  TemporaryDirectory directory;
  Status status(default_config({{"quiet", "true"}}).output);
  ClusterOptions options;
  options.cells = 160;
  options.members = 64;
  options.train_s = 60;
  options.measure_s = 6;
  options.load_s = 1;
  options.shortest_stay_s = 120;
  options.longest_stay_s = 360;
  options.away_s = 30;
  options.dying = 4;
  options.stopping = 3;
  options.stopped_s = 100;
  options.save_s = 10;
  options.beat_s = 1;
  FolderOptions folder;
  folder.directory = directory.path();
  folder.job = "sweep";
  folder.limit_s = 20;
  folder.keeps_count = true;
  Cluster cluster(
      options, {[&](size_t) { return std::make_unique<FolderClaims>(folder, status); }, [](size_t, bool) {},
                [&](const Task& task) { write_result(directory.path(), task); }});
  const ClusterOutcome outcome = cluster.run();
  print(options, outcome);
  EXPECT_THAT(outcome.finished, testing::Each(1));
  std::map<std::string, int> done;
  size_t lost = 0;
  for (const JournalRecord& record : JournalReader(directory.path()).read_new()) {
    if (record.event == JournalEvent::done) ++done[record.task];
    lost += record.event == JournalEvent::lost ? 1 : 0;
  }
  EXPECT_EQ(done.size(), outcome.finished.size());
  for (const auto& [task, times] : done) EXPECT_EQ(times, 1) << task;
  EXPECT_GE(outcome.lost_lease, 1u);
  EXPECT_EQ(lost, outcome.died + outcome.lost_lease);
}

}  // namespace
}  // namespace apportion
