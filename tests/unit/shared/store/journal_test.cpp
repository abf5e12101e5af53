// Journals: what was added is read back, no matter what a crash left of the last line.
#include "shared/store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class JournalTest : public testing::Test {
 protected:
  std::string file(const std::string& member) const {
    return journal_directory(directory_.path()) + "/" + member + ".log";
  }
  void write(const std::string& member, const std::vector<JournalRecord>& records) const {
    JournalWriter writer(directory_.path(), member);
    for (const JournalRecord& record : records) writer.add(record);
  }
  JournalReader reader() const { return JournalReader(directory_.path()); }

  TemporaryDirectory directory_;
};

TEST_F(JournalTest, KeepsWhatWasAdded) {
  JournalRecord failed{JournalEvent::failed, "t", "stage 1", "no \"room\"\n\xff"};
  failed.ranks = 3;
  JournalRecord lost{JournalEvent::lost, "u", "", "", "b"};
  lost.saved = 40;
  write("a", {{JournalEvent::began, "", "targets"}, failed, lost});
  const auto records = reader().read_new();
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].label, "targets");
  EXPECT_EQ(records[1].event, JournalEvent::failed);
  EXPECT_THAT(records[1].reason, HasSubstr("no \"room\"\n"));
  EXPECT_GT(records[1].time, 1.7e9);
  EXPECT_EQ(records[1].ranks, 3u);
  EXPECT_EQ(records[2].saved, 40u);
  EXPECT_EQ(records[2].other, "b");
  EXPECT_EQ(records[2].member, "a");
}

TEST_F(JournalTest, ReadsOnWhereItEnded) {
  JournalReader journal = reader();
  EXPECT_THAT(journal.read_new(), IsEmpty());
  write("a", {{JournalEvent::taken, "t"}});
  write("b", {{JournalEvent::taken, "u"}});
  EXPECT_THAT(journal.read_new(), SizeIs(2));
  EXPECT_THAT(journal.read_new(), IsEmpty());
  write("a", {{JournalEvent::done, "t"}});
  const auto records = journal.read_new();
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].event, JournalEvent::done);
}

TEST_F(JournalTest, ACrashAnywhereInTheLastRecordLosesThatAlone) {
  write("a", {{JournalEvent::taken, "t"}, {JournalEvent::done, "t"}});
  const std::string whole = read_file(file("a"));
  const size_t first = whole.find('\n') + 1;
  for (size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(file("a"), std::ios::trunc) << whole.substr(0, size);
    JournalReader journal = reader();
    EXPECT_THAT(journal.read_new(), SizeIs(size < first ? 0 : 1)) << size;
    EXPECT_THAT(journal.faults(), IsEmpty()) << size;
    std::ofstream(file("a"), std::ios::app) << whole.substr(size);
    EXPECT_THAT(journal.read_new(), SizeIs(size < first ? 2 : 1)) << size;
  }
}

TEST_F(JournalTest, ADamagedByteIsToldAndCostsOneRecord) {
  write("a", {{JournalEvent::taken, "t"}, {JournalEvent::taken, "u"}, {JournalEvent::taken, "v"}});
  const std::string whole = read_file(file("a"));
  const size_t second = whole.find('\n') + 1;
  for (size_t place = second; whole[place] != '\n'; ++place) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    if (damaged[place] == '\n') continue;
    std::ofstream(file("a"), std::ios::trunc) << damaged;
    JournalReader journal = reader();
    const auto records = journal.read_new();
    ASSERT_THAT(records, SizeIs(2)) << place;
    EXPECT_EQ(records[1].task, "v");
    ASSERT_THAT(journal.faults(), SizeIs(1));
    EXPECT_THAT(journal.faults()[0], HasSubstr("a.log, byte " + std::to_string(second)));
  }
}

TEST_F(JournalTest, FailuresCountUntilTheTaskIsDoneOrToBeTriedAgain) {
  FailureCount count;
  const auto at = [](JournalEvent event, double time) {
    JournalRecord record{event, "t"};
    record.time = time;
    return record;
  };
  count.add({at(JournalEvent::failed, 10), at(JournalEvent::taken, 11), at(JournalEvent::lost, 20)});
  EXPECT_EQ(count.of("t"), 2);
  EXPECT_EQ(count.of("u"), 0);
  count.add({at(JournalEvent::retry, 15)});
  EXPECT_EQ(count.of("t"), 1);
  count.add({at(JournalEvent::done, 30)});
  EXPECT_EQ(count.of("t"), 0);
  count.add({at(JournalEvent::failed, 40), at(JournalEvent::failed, 5)});
  EXPECT_EQ(count.of("t"), 1);
}

TEST_F(JournalTest, WhatIsForgivenIsSoByTheLatestRecordInWhateverOrderFilesAreRead) {
  FailureCount count;
  JournalRecord retry{JournalEvent::retry, "t"}, done{JournalEvent::done, "t"},
      failed{JournalEvent::failed, "t"};
  retry.time = 30;
  done.time = 10;
  failed.time = 20;
  count.add({retry, done, failed});
  EXPECT_EQ(count.of("t"), 0);
}

TEST_F(JournalTest, APreemptedTaskThatCameFurtherHasNotFailed) {
  FailureCount count;
  const auto lost = [](double time, uint64_t step) {
    JournalRecord record{JournalEvent::lost, "t"};
    record.time = time;
    record.saved = step;
    return record;
  };
  count.add({JournalRecord{JournalEvent::taken, "t"}, lost(10, 100), lost(30, 220), lost(20, 160)});
  EXPECT_EQ(count.of("t"), 0);
  count.add({lost(40, 220)});
  EXPECT_EQ(count.of("t"), 1) << "no step since the last time";
  count.add({lost(50, 0)});
  EXPECT_EQ(count.of("t"), 2);
}

/// The run was killed after recording the end and before giving its lease back.
TEST_F(JournalTest, AnAttemptThatFailedIsNotLostAsWell) {
  const auto of = [](JournalEvent event, const char* member, const char* other = "") {
    JournalRecord record{event, "t", "", "", other};
    record.member = member;
    return record;
  };
  JournalRecord lost = of(JournalEvent::lost, "a", "b");
  lost.time = 1;
  for (const auto& [end, failures] : {std::pair{JournalEvent::failed, 1}, {JournalEvent::given_back, 0}}) {
    FailureCount count;
    JournalRecord ended = of(end, "b");
    ended.time = 1;
    count.add({lost});
    EXPECT_EQ(count.of("t"), 0) << "it had the lease and did not begin";
    count.add({of(JournalEvent::taken, "b")});
    EXPECT_EQ(count.of("t"), 1);
    count.add({ended});
    EXPECT_EQ(count.of("t"), failures);
    count.add({of(JournalEvent::taken, "b")});
    EXPECT_EQ(count.of("t"), failures + 1) << "it tried again";
  }
}

TEST_F(JournalTest, ARunThatWasAskedToStopHasNotFailedAtWhatItLost) {
  FailureCount count;
  JournalRecord lost{JournalEvent::lost, "t"}, stopping{JournalEvent::stopping};
  lost.time = 10;
  lost.other = "preempted";
  for (const char* member : {"preempted", "killed"}) {
    JournalRecord taken{JournalEvent::taken, "t"};
    taken.member = member;
    count.add({taken});
  }
  count.add({lost});
  EXPECT_EQ(count.of("t"), 1);
  stopping.member = "preempted";  // this member's file is read later
  count.add({stopping});
  EXPECT_EQ(count.of("t"), 0);
  lost.other = "killed";
  count.add({lost});
  EXPECT_EQ(count.of("t"), 1);
}

TEST_F(JournalTest, ARecordMayBeLaterThanItsWritersClock) {
  JournalRecord retry{JournalEvent::retry, "t"};
  retry.time = 4e9;
  write("a", {retry});
  EXPECT_EQ(reader().read_new().at(0).time, 4e9);
  FailureCount count;
  JournalRecord failed{JournalEvent::failed, "t"};
  failed.time = 3e9;
  count.add({failed});
  EXPECT_EQ(count.last_of("t"), 3e9);
  EXPECT_EQ(count.last_of("u"), 0);
  failed.event = JournalEvent::lost;
  failed.time = 4e9;
  count.add({failed});
  EXPECT_EQ(count.last_of("t"), 4e9);
}

TEST_F(JournalTest, SpansAreOfTheMemberThatEndedTheTask) {
  const auto at = [](JournalEvent event, const char* member, const char* task, double time,
                     uint64_t ranks = 0) {
    JournalRecord record{event, task, "stage 1"};
    record.member = member;
    record.time = time;
    record.ranks = ranks;
    return record;
  };
  const auto spans =
      spans_of({at(JournalEvent::taken, "a", "t", 10), at(JournalEvent::taken, "a", "u", 11),
                at(JournalEvent::given_back, "a", "t", 12), at(JournalEvent::failed, "a", "u", 14, 2),
                at(JournalEvent::done, "b", "u", 15, 4), at(JournalEvent::taken, "b", "t", 20),
                at(JournalEvent::done, "b", "t", 27, 4)});
  ASSERT_THAT(spans, SizeIs(2));
  EXPECT_EQ(spans[0].task, "u");
  EXPECT_EQ(spans[0].end, JournalEvent::failed);
  EXPECT_EQ(spans[0].seconds, 3);
  EXPECT_EQ(spans[0].ranks, 2u);
  EXPECT_EQ(spans[1].seconds, 7);
  EXPECT_EQ(spans[1].ended, 27);
  EXPECT_EQ(spans[1].ranks, 4u);
}

TEST_F(JournalTest, AFileThatCannotBeMadeIsTheUsersMistake) {
  std::ofstream(directory_.path() + "/journal") << "a file";
  EXPECT_THROW(JournalWriter(directory_.path(), "a"), UserError);
}

}  // namespace
}  // namespace apportion
