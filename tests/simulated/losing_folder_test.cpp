// Members of a folder on a disk that keeps only what was synced. After a crash at any moment a task belongs
// to nobody or to one who had held it, for no longer than a dead holder keeps it; what was finished is done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "coordinator/folder/folder_claims.h"
#include "shared/store/task_file.h"
#include "tests/simulated/losing_disk.h"
#include "tests/simulated/virtual_clock.h"
#include "tests/support/sample_results.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

constexpr double limit_s = 5;

class LosingFolderTest : public testing::Test {
 protected:
  LosingFolderTest() : status_(default_config({{"quiet", "true"}}).output) {
    for (const char* set : {"v2", "heldout", "v1"}) files_.push_back(small_measure(set));
  }
  static FolderOptions options(const std::string& folder) {
    FolderOptions options;
    options.directory = folder;
    options.job = "job";
    options.limit_s = limit_s;
    options.keeps_count = true;
    return options;
  }
  const Task& task(size_t number) const { return files_[number].record.task; }

  VirtualClock clock_;
  Status status_;
  std::vector<MeasureFile> files_;
};

/// Waits as a coordinator does, showing signs of life meanwhile.
template <typename Member>
void wait(Member& member, double seconds) {
  for (const double end = VirtualClock::now() + seconds; VirtualClock::now() < end;) {
    VirtualClock::advance(0.5);
    member.beat();
  }
}

/// One member takes tasks and falls silent while holding one, which another takes over.
TEST_F(LosingFolderTest, ALeaseIsItsHoldersOrNobodys) {
  std::vector<std::set<std::string>> holders(3, {""});  // of each task, ever
  TemporaryDirectory directory;
  FileLog log(directory.path());
  {
    std::optional<Leases> one(std::in_place, directory.path(), "job", limit_s);
    for (const char* name : {"0", "1"}) EXPECT_TRUE(one->take(name).ours);
    wait(*one, 3);
    one->release("0");
    Leases other(directory.path(), "job", limit_s);
    EXPECT_TRUE(other.take("2").ours);
    EXPECT_FALSE(other.take("1").ours);
    wait(other, limit_s + 1);
    EXPECT_EQ(other.take("1").lost_by, one->member());
    for (size_t name : {0u, 1u}) holders[name].insert(one->member());
    for (size_t name : {1u, 2u}) holders[name].insert(other.member());
    one.reset();
  }
  const size_t states = for_each_crash(log.calls(), [&](const std::string& folder, size_t) {
    if (HasFailure()) return;
    for (const auto& [name, holder] : read_leases(folder)) {
      const bool torn = std::any_of(holders[std::stoul(name)].begin(), holders[std::stoul(name)].end(),
                                    [&, &of = holder](const std::string& known) {
                                      return known.starts_with(of) || of.find('\0') != std::string::npos;
                                    });
      EXPECT_TRUE(torn) << name << " is " << holder << "'s, who never had it";
    }
    Leases next(folder, "job", limit_s);
    for (const char* name : {"0", "1", "2"}) next.take(name);
    wait(next, limit_s + 1);
    for (const char* name : {"0", "1", "2"})
      EXPECT_TRUE(next.holds(name) || next.take(name).ours) << name << " is held by nobody who lives";
    EXPECT_EQ(read_leases(folder).size(), 3u);
  });
  std::printf("%zu calls, %zu states after a crash\n", log.calls().size(), states);
  EXPECT_GE(states, 50u);
}

/// Of three tasks one fails, and two are done.
TEST_F(LosingFolderTest, WhatWasFinishedIsDoneAndWhatFailedIsCounted) {
  TemporaryDirectory directory;
  FileLog log(directory.path());
  {
    FolderClaims claims(options(directory.path()), status_);
    EXPECT_EQ(claims.claim(task(0)), Claim::ours);
    claims.failed(task(0), "no room", 1);
    log.mark();
    for (size_t number : {1u, 2u}) {
      EXPECT_EQ(claims.claim(task(number)), Claim::ours);
      write_measure_file(result_path(directory.path(), task(number).id), files_[number],
                         [&, number] { claims.confirm(task(number)); });
      claims.finished(task(number), 1);
      log.mark();
    }
  }
  const auto found = [&](FolderClaims& claims, size_t number) {
    Claim claim = claims.claim(task(number));
    if (claim == Claim::elsewhere) wait(claims, limit_s + 1);
    return claim == Claim::elsewhere ? claims.claim(task(number)) : claim;
  };
  const size_t states = for_each_crash(log.calls(), [&](const std::string& folder, size_t marks) {
    if (HasFailure()) return;
    FolderClaims claims(options(folder), status_);
    EXPECT_EQ(found(claims, 0), Claim::ours) << "tried once, it may be tried again";
    for (size_t number : {1u, 2u}) {
      const Claim claim = found(claims, number);
      EXPECT_TRUE(claim == Claim::done || (claim == Claim::ours && marks <= number)) << number;
    }
    FailureCount failures;
    failures.add(JournalReader(folder).read_new());
    EXPECT_LE(failures.of(task(0).id), 1) << "one attempt is one failure";
    if (marks > 0) {
      EXPECT_EQ(failures.of(task(0).id), 1);
    }
  });
  std::printf("%zu calls, %zu states after a crash\n", log.calls().size(), states);
  EXPECT_GE(states, 50u);
}

}  // namespace
}  // namespace apportion
