// DIR/journal/MEMBER.log: what each run in a results folder has done, one record per line, only ever appended
// and flushed. All records together say what is known of a folder's tasks; each run has its own file, so two
// writers never meet. A line is the first 16 digits of the SHA-256 of what follows, a blank, and JSON.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace apportion {

/// began: a run, with its job. taken, done, failed (with the reason), given_back: this member's task. lost:
/// taken over from `other`, which is gone. retry: failures before this no longer count. left: the run has
/// ended in order. stopping: it was asked to stop, and is leaving as fast as it can.
enum class JournalEvent { began, taken, done, failed, given_back, lost, retry, left, stopping };

struct JournalRecord {
  JournalEvent event = JournalEvent::taken;
  std::string task = {};    // id
  std::string label = {};   // for people
  std::string reason = {};  // for failed
  std::string other = {};   // for lost: the member
  double time = 0;          // Unix seconds, for people: when add() wrote it, or the time given if that is
                            // later
  std::string member = {};  // set by the reader, from the file's name
  uint64_t ranks = 0;       // for done and failed: how many worked on it
  uint64_t saved = 0;       // for lost: how far what is kept of the task had come; 0: nothing is kept
};

std::string journal_directory(const std::string& directory);

class JournalWriter {
 public:
  /// Throws UserError when the file cannot be created.
  JournalWriter(const std::string& directory, const std::string& member);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// The record is on disk when this returns. Throws UserError with the system's reason.
  void add(JournalRecord record);

 private:
  std::string path_;
  int file_;
};

/// Reads all journals of a folder, and on later calls what was added since.
class JournalReader {
 public:
  explicit JournalReader(std::string directory) : directory_(std::move(directory)) {}

  /// File by file, each in its own order. An incomplete last line waits for the next call; a damaged one in
  /// the middle is skipped and reported in faults().
  std::vector<JournalRecord> read_new();
  /// One line for each damaged record: file and byte.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  std::string directory_;
  std::map<std::string, uint64_t> read_;  // bytes of each file
  std::vector<std::string> faults_;
};

/// A member's time on a task, from taken to done or failed.
struct TaskSpan {
  std::string task, label;
  JournalEvent end = JournalEvent::done;
  double ended = 0, seconds = 0;  // Unix seconds; duration
  uint64_t ranks = 1;             // that worked on it
};

/// Takes records in JournalReader's order; returns spans in the order of their ends.
std::vector<TaskSpan> spans_of(const std::vector<JournalRecord>& records);

/// What the records say about failures: how often each task has failed or was lost since it was last done or
/// set to be tried again. Goes by the records' times, since they come from several files. These do not count:
/// a loss by which the task had come further than by any other (a preempted training task with checkpoints);
/// the loss of a run that had been asked to stop and did not get the time to leave in order; and the loss of
/// a member that by its own journal was not at the task: it had ended its attempt, or not begun.
class FailureCount {
 public:
  void add(const std::vector<JournalRecord>& records);
  int of(const std::string& task) const;
  /// The time of its last failure or loss; 0: none known.
  double last_of(const std::string& task) const;

 private:
  struct Loss {
    double when;
    uint64_t saved;
    std::string member;  // the one that was lost
  };
  struct OfTask {
    std::vector<double> failures;  // when
    std::vector<Loss> losses;
    std::map<std::string, bool> at_work;  // by member: its last record says that it took the task
    double forgiven = 0;                  // when it was last done, or set to be tried again
  };
  std::map<std::string, OfTask> tasks_;
  std::set<std::string> stopping_;  // members
};

}  // namespace apportion
