// A crash at any moment, on a disk that keeps only what was synced: what the program's own readers find
// afterwards is a state that once existed, and nothing is gone that was promised to be there.
#include "tests/simulated/losing_disk.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint_writer.h"
#include "shared/store/index.h"
#include "shared/store/journal.h"
#include "shared/store/plan_file.h"
#include "shared/store/task_file.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;

/// The calls that `write` makes in an empty folder; it gets the log to set marks.
std::vector<FileCall> calls_of(const std::function<void(const std::string& folder, FileLog& log)>& write) {
  TemporaryDirectory directory;
  FileLog log(directory.path());
  write(directory.path(), log);
  return log.calls();
}

/// Passes every state to `check`; a test that sees only a few has tested nothing.
void after_each_crash(const std::vector<FileCall>& calls,
                      const std::function<void(const std::string& folder, size_t marks)>& check) {
  constexpr size_t least = 10;
  const size_t states = for_each_crash(calls, [&](const std::string& folder, size_t marks) {
    if (!testing::Test::HasFailure()) check(folder, marks);
  });
  std::printf("%zu calls, %zu states after a crash\n", calls.size(), states);
  EXPECT_GE(states, least);
}

/// The file's content, or "absent".
std::string content_of(const std::string& path) { return path_exists(path) ? read_file(path) : "absent"; }

void write_carelessly(const std::string& path, const std::string& bytes) {
  const int file = ::open((path + ".new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(::write(file, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  ::close(file);
  ASSERT_EQ(::rename((path + ".new").c_str(), path.c_str()), 0);
}

/// The disk does lose data: without syncing there are empty files, halves, and names that never appeared.
TEST(LosingDisk, LosesWhatWasNotSynced) {
  const auto calls = calls_of([](const std::string& folder, FileLog& log) {
    write_carelessly(folder + "/file", "some bytes");
    log.mark();
  });
  std::set<std::string> after;
  for_each_crash(calls, [&](const std::string& folder, size_t marks) {
    if (marks == 1) after.insert(content_of(folder + "/file"));
  });
  EXPECT_THAT(after, testing::ElementsAre("", std::string(10, '\0'), "absent", "some ", "some bytes"));
}

TEST(LosingDisk, AFileIsTheOldOneOrTheNewOne) {
  const auto calls = calls_of([](const std::string& folder, FileLog& log) {
    make_directories(folder + "/a/b");
    write_file(folder + "/a/b/file", "old");
    log.mark();
    write_file(folder + "/a/b/file", "the new one");
    log.mark();
  });
  const std::vector<std::vector<std::string>> allowed = {
      {"absent", "old"}, {"old", "the new one"}, {"the new one"}};
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    EXPECT_THAT(allowed[marks], testing::Contains(content_of(folder + "/a/b/file")));
  });
}

TEST(LosingDisk, AMeasuredResultIsWholeOrNotThere) {
  MeasureFile first = small_measure("v2"), again = first;
  first.record.about = {{"seconds", "1"}};
  again.record.about = {{"seconds", "2"}};
  const auto calls = calls_of([&](const std::string& folder, FileLog& log) {
    for (const MeasureFile* file : {&first, &again}) {  // as with --force
      write_measure_file(result_path(folder, file->record.task.id), *file);
      log.mark();
    }
  });
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    std::string why;
    const ArtefactState state = verify_artefact(folder, first.record.task, why);
    EXPECT_NE(state, ArtefactState::damaged) << why;
    EXPECT_EQ(state == ArtefactState::absent, marks == 0 && !has_result(folder, first.record.task.id));
    if (state != ArtefactState::verified) return;
    const std::string path = result_path(folder, first.record.task.id);
    const std::string seconds = read_measure_file(path).record.about.front().second;
    EXPECT_THAT(std::stoul(seconds), AllOf(Ge(marks), Le(marks + 1)));
  });
}

/// As a worker writes the adapter and then the coordinator the result.
TEST(LosingDisk, ATrainedResultHasItsAdapter) {
  TrainFile file = sample_training("sft", "gender-us-real", {});
  const std::string adapter(3000, 'w');
  const Task& task = file.record.task;
  file.adapter_digest = sha256(adapter);
  const auto calls = calls_of([&](const std::string& folder, FileLog& log) {
    const std::string place = adapter_directory(folder, task.id);
    make_directories(place);
    write_file(place + "/adapter_model.safetensors", adapter);
    write_file(place + "/adapter_config.json", "{}\n");
    write_train_file(result_path(folder, task.id), file);
    log.mark();
  });
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    std::string why;
    const ArtefactState state = verify_artefact(folder, task, why);
    EXPECT_NE(state, ArtefactState::damaged) << why;
    EXPECT_TRUE(marks == 0 || state == ArtefactState::verified);
  });
}

TEST(LosingDisk, AJournalHasAllThatWasAdded) {
  const std::vector<std::string> labels = {"began", "taken", "done", "left"};
  const auto calls = calls_of([&](const std::string& folder, FileLog& log) {
    JournalWriter journal(folder, "member");
    for (const std::string& label : labels) {
      journal.add({JournalEvent::taken, "task", label});
      log.mark();
    }
  });
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    JournalReader reader(folder);
    const std::vector<JournalRecord> records = reader.read_new();
    EXPECT_THAT(reader.faults(), IsEmpty());
    ASSERT_THAT(records.size(), AllOf(Ge(marks), Le(marks + 1)));
    for (size_t record = 0; record < records.size(); ++record)
      EXPECT_EQ(records[record].label, labels[record]);
    // The next writer continues next to the torn record.
    JournalWriter(folder, "another").add({JournalEvent::taken, "task", "next"});
    const std::vector<JournalRecord> next = reader.read_new();
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next.front().label, "next");
  });
}

TEST(LosingDisk, AnIndexHasTheCellsOfOneOfItsStates) {
  const std::string id(64, 'a');
  const std::vector<std::string> names = {"first", "second"};
  const auto calls = calls_of([&](const std::string& folder, FileLog& log) {
    for (const std::string& name : names) {
      write_index(folder, {Cell{"job", name, {{"after/v2", id}}, {}}});
      log.mark();
    }
  });
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    const std::vector<Cell> cells = indexed_cells(folder);  // throws if it is damaged
    ASSERT_THAT(cells.size(), AllOf(Ge(marks), Le(marks + 1)));
    for (size_t cell = 0; cell < cells.size(); ++cell) EXPECT_EQ(cells[cell].name, names[cell]);
  });
}

TEST(LosingDisk, APlanIsOneThatWasWritten) {
  const auto calls = calls_of([](const std::string& folder, FileLog& log) {
    for (size_t tasks : {1u, 2u}) {
      write_plan_file(folder,
                      {"job", {""}, std::vector<PlannedTask>(tasks, {std::string(64, 'a'), "label"})});
      log.mark();
    }
  });
  after_each_crash(calls, [](const std::string& folder, size_t marks) {
    const std::vector<PlanFile> plans = read_plan_files(folder);
    const size_t tasks = plans.empty() ? 0 : plans.front().tasks.size();
    EXPECT_THAT(tasks, AllOf(Ge(marks), Le(marks + 1)));
  });
}

/// The step of the newest checkpoint that can be read; 0 if there is none.
uint64_t restored_step(const std::string& folder, const CheckpointTensor& tensor) {
  for (uint64_t step : checkpoint_steps(folder)) {
    try {
      CheckpointReader reader(folder, step, "task");
      std::string bytes(tensor.rows() * tensor.row_bytes(), '?');
      reader.read_rows(tensor.name, 0, tensor.rows(), bytes);
      EXPECT_EQ(bytes, std::string(bytes.size(), static_cast<char>('0' + step)));
      return step;
    } catch (const DataError&) {
      continue;
    }
  }
  return 0;
}

/// Older checkpoints are removed while the new one is completed.
TEST(LosingDisk, ACheckpointIsTheLastOneOrTheOneBefore) {
  const CheckpointTensor tensor{"weights", ElementType::float32, {6, 2}};
  const auto calls = calls_of([&](const std::string& folder, FileLog& log) {
    CheckpointWriter one(folder, "task", 0, 2), two(folder, "task", 1, 2);
    for (uint64_t step : {1u, 2u, 3u, 4u}) {
      const auto rows = [&](size_t count) { return std::string(count * 8, static_cast<char>('0' + step)); };
      one.start(step, {{tensor, 0, 2, rows(2)}});
      one.wait();
      two.start(step, {{tensor, 2, 6, rows(4)}});
      two.wait();
      one.start_completion(step);
      one.wait();
      log.mark();
    }
  });
  after_each_crash(calls, [&](const std::string& folder, size_t marks) {
    EXPECT_THAT(restored_step(folder, tensor), AllOf(Ge(marks), Le(marks + 1)));
  });
}

}  // namespace
}  // namespace apportion
