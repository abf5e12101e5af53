// DIR/journal/MEMBER.log: what each run in a results folder has done, one record a line, only ever added to
// and flushed. What is known of a folder's tasks is what all its records say; each has its own file, so that
// two writers never meet. A line is the first 16 digits of the SHA-256 of what follows, a blank, and JSON.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace apportion {

/// began: a run, with its job. taken, done, failed (with the reason), given_back: this member's task. lost:
/// it was taken over from `other`, which is gone. retry: from here on failures before do not count. left: the
/// run has ended in order. stopping: it was asked to stop, and leaves as fast as it can.
enum class JournalEvent { began, taken, done, failed, given_back, lost, retry, left, stopping };

struct JournalRecord {
  JournalEvent event = JournalEvent::taken;
  std::string task = {};    // id
  std::string label = {};   // for people
  std::string reason = {};  // of failed
  std::string other = {};   // of lost: the member
  double time = 0;          // Unix seconds, for people: the writer's, or this where it is later
  std::string member = {};  // set by the reader, from the file's name
  uint64_t ranks = 0;       // of done and failed: that were at it
  uint64_t saved = 0;       // of lost: how far the task had come by what is kept of it; 0: nothing
};

std::string journal_directory(const std::string& directory);

class JournalWriter {
 public:
  /// Throws UserError when the file cannot be made.
  JournalWriter(const std::string& directory, const std::string& member);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// On disk when this returns. Throws UserError with the system's reason.
  void add(JournalRecord record);

 private:
  std::string path_;
  int file_;
};

/// Reads all journals of a folder, and later what was added since.
class JournalReader {
 public:
  explicit JournalReader(std::string directory) : directory_(std::move(directory)) {}

  /// In the order of each file, file by file. A last line that is not whole stays for the next time; one in
  /// the middle that is damaged is passed over and told in faults().
  std::vector<JournalRecord> read_new();
  /// A line for each damaged record: file and byte.
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  std::string directory_;
  std::map<std::string, uint64_t> read_;  // bytes of each file
  std::vector<std::string> faults_;
};

/// What a member spent on a task, from taken to done or failed.
struct TaskSpan {
  std::string task, label;
  JournalEvent end = JournalEvent::done;
  double ended = 0, seconds = 0;  // Unix seconds; as long as that took
  uint64_t ranks = 1;             // that were at it
};

/// Of records in JournalReader's order, in the order of their ends.
std::vector<TaskSpan> spans_of(const std::vector<JournalRecord>& records);

/// What the records say of failures: how often each task has failed or was lost since it was done or was to
/// be tried again; by the records' times, for they stand in several files. No failure is a loss by which the
/// task had come further than by any other (a preempted training task with checkpoints), nor that of a run
/// which had been asked to stop, and did not get the time to leave in order, nor one of a member that was not
/// at it, by its own journal: it had ended its attempt, or not begun.
class FailureCount {
 public:
  void add(const std::vector<JournalRecord>& records);
  int of(const std::string& task) const;
  /// The time of its last failure or loss; 0: none is known.
  double last_of(const std::string& task) const;

 private:
  struct Loss {
    double when;
    uint64_t saved;
    std::string member;  // that was lost
  };
  struct OfTask {
    std::vector<double> failures;  // when
    std::vector<Loss> losses;
    std::map<std::string, bool> at_work;  // by member: its last word is that it took the task
    double forgiven = 0;                  // when it was done, or was to be tried again
  };
  std::map<std::string, OfTask> tasks_;
  std::set<std::string> stopping_;  // members
};

}  // namespace apportion
