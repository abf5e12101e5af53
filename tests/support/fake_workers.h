// Threads that stand in for workers: they answer the coordinator as real ones do, with made-up results that
// depend only on the task. For tests of the coordinator.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shared/link/link_memory.h"
#include "shared/store/task_file.h"

namespace apportion {

struct FakeJob {
  std::string directory;
  std::map<std::string, MeasureTables> tables;  // by test set
  uint64_t rounds = 0;
  /// If it returns a message for a rank's assignment, the rank sends that and does nothing else.
  std::function<std::optional<Message>(int rank, const Assign& assign)> instead = nullptr;
};

class FakeWorkers {
 public:
  /// Runs one thread for each rank of `links`, until Stop or until this is destroyed.
  FakeWorkers(MemoryLinks& links, int ranks, FakeJob job);
  ~FakeWorkers();
  FakeWorkers(const FakeWorkers&) = delete;
  FakeWorkers& operator=(const FakeWorkers&) = delete;

  /// The groups formed so far, by the task's label.
  std::map<std::string, std::vector<int>> groups() const;
  /// How many groups were formed so far.
  int group_count() const;

 private:
  void serve(Link& link, int rank);
  void note(int rank, const Assign& assign);

  const FakeJob job_;
  std::atomic<bool> ended_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<int>> groups_;
  int group_count_ = 0;
  std::vector<std::thread> threads_;
};

/// The result that fake workers return for a prompt.
PromptResult fake_prompt(const MeasureTables& tables, uint64_t rounds, int subject, int wording);

}  // namespace apportion
