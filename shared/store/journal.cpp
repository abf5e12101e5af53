#include "shared/store/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr size_t digest_digits = 16;
constexpr std::array event_names = {"began", "taken", "done", "failed",  "given_back",
                                    "lost",  "retry", "left", "stopping"};

std::string line_of(const JournalRecord& record) {
  nlohmann::json json = {{"event", event_names[static_cast<size_t>(record.event)]}, {"time", record.time}};
  auto put = [&](const char* name, const std::string& text) {
    if (!text.empty()) json[name] = text;
  };
  put("task", record.task);
  put("label", record.label);
  put("reason", record.reason);
  put("other", record.other);
  if (record.ranks > 0) json["ranks"] = record.ranks;
  if (record.saved > 0) json["saved"] = record.saved;
  const std::string text = json_text(json);
  return sha256(text).substr(0, digest_digits) + " " + text + "\n";
}

/// Nothing for a line that is not intact.
std::optional<JournalRecord> record_of(std::string_view line) {
  if (line.size() < digest_digits + 1 || line[digest_digits] != ' ') return std::nullopt;
  const std::string_view text = line.substr(digest_digits + 1);
  if (sha256(std::string(text)).compare(0, digest_digits, line.substr(0, digest_digits)) != 0)
    return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  try {
    JournalRecord record;
    const auto& name = json.at("event").get_ref<const std::string&>();
    const auto* event = std::find(event_names.begin(), event_names.end(), name);
    if (event == event_names.end()) return std::nullopt;
    record.event = static_cast<JournalEvent>(event - event_names.begin());
    record.time = json.at("time").get<double>();
    record.task = json.value("task", "");
    record.label = json.value("label", "");
    record.reason = json.value("reason", "");
    record.other = json.value("other", "");
    record.ranks = json.value("ranks", uint64_t{0});
    record.saved = json.value("saved", uint64_t{0});
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string journal_directory(const std::string& directory) { return directory + "/journal"; }

JournalWriter::JournalWriter(const std::string& directory, const std::string& member)
    : path_(journal_directory(directory) + "/" + member + ".log") {
  make_directories(journal_directory(directory));
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) throw_system_error("cannot create " + path_, errno);
  // Otherwise a crash may take the whole file, with everything that was synced.
  sync_directory(journal_directory(directory));
}

JournalWriter::~JournalWriter() { ::close(file_); }

void JournalWriter::add(JournalRecord record) {
  record.time = std::max(record.time, unix_seconds());
  const std::string line = line_of(record);
  const off_t before = ::lseek(file_, 0, SEEK_END);
  int error = write_at_once(file_, line);
  if (error == 0) {
    // Some file systems have nothing to flush.
    if (::fdatasync(file_) == 0 || errno == EINVAL || errno == ENOSYS) return;
    error = errno;
  }
  // Part of a record would spoil the next one. (If even this fails, the reader reports it.)
  if (before >= 0 && ::ftruncate(file_, before) != 0) errno = 0;
  throw_system_error("cannot write " + path_, error);
}

std::vector<JournalRecord> JournalReader::read_new() {
  std::vector<JournalRecord> records;
  for (const std::string& name : names_in(journal_directory(directory_))) {
    if (std::filesystem::path(name).extension() != ".log") continue;
    std::error_code error;
    const std::string path = journal_directory(directory_) + "/" + name;
    uint64_t& read = read_[name];
    const uint64_t size = std::filesystem::file_size(path, error);
    if (error || size <= read) continue;
    std::string bytes(size - read, '\0');
    read_file_part(path, read, bytes);
    for (size_t end = bytes.find('\n'), begin = 0; end != std::string::npos;
         begin = end + 1, end = bytes.find('\n', begin)) {
      const uint64_t place = read + begin;
      if (auto record = record_of(std::string_view(bytes).substr(begin, end - begin))) {
        record->member = name.substr(0, name.size() - 4);
        records.push_back(std::move(*record));
      } else {
        faults_.push_back(fmt::format("{}, byte {}: this record is damaged and skipped", path, place));
      }
    }
    const size_t last = bytes.rfind('\n');
    if (last != std::string::npos) read += last + 1;
  }
  return records;
}

std::vector<TaskSpan> spans_of(const std::vector<JournalRecord>& records) {
  std::vector<TaskSpan> spans;
  std::map<std::pair<std::string, std::string>, double> taken;  // by member and task
  for (const JournalRecord& record : records) {
    if (record.event == JournalEvent::taken) taken[{record.member, record.task}] = record.time;
    if (record.event != JournalEvent::done && record.event != JournalEvent::failed) continue;
    const auto begin = taken.find({record.member, record.task});
    if (begin == taken.end()) continue;
    spans.push_back({record.task, record.label, record.event, record.time, record.time - begin->second,
                     std::max<uint64_t>(record.ranks, 1)});
    taken.erase(begin);
  }
  return spans;
}

void FailureCount::add(const std::vector<JournalRecord>& records) {
  for (const JournalRecord& record : records) {
    if (record.event == JournalEvent::failed) tasks_[record.task].failures.push_back(record.time);
    if (record.event == JournalEvent::stopping) stopping_.insert(record.member);
    if (record.event == JournalEvent::lost)
      tasks_[record.task].losses.push_back({record.time, record.saved, record.other});
    if (record.event == JournalEvent::taken) {
      tasks_[record.task].at_work[record.member] = true;
    } else if (record.event == JournalEvent::failed || record.event == JournalEvent::given_back) {
      tasks_[record.task].at_work[record.member] = false;
    }
    if (record.event == JournalEvent::done || record.event == JournalEvent::retry) {
      double& forgiven = tasks_[record.task].forgiven;
      forgiven = std::max(forgiven, record.time);
    }
  }
}

int FailureCount::of(const std::string& task) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return 0;
  const OfTask& of = found->second;
  auto count =
      std::count_if(of.failures.begin(), of.failures.end(), [&](double when) { return when > of.forgiven; });
  // Sorted by how far they had come: they happened in that order, whatever the hosts' clocks say.
  std::vector<Loss> losses = of.losses;
  std::sort(losses.begin(), losses.end(), [](const Loss& a, const Loss& b) { return a.saved < b.saved; });
  uint64_t furthest = 0;
  for (const Loss& loss : losses) {
    // A member that never recorded taking the task, or recorded how that ended, was not at work when it went.
    const auto at_work = of.at_work.find(loss.member);
    const bool was_at_work = at_work != of.at_work.end() && at_work->second;
    const bool was_preempted = stopping_.contains(loss.member);
    if (loss.saved <= furthest && loss.when > of.forgiven && was_at_work && !was_preempted) ++count;
    furthest = std::max(furthest, loss.saved);
  }
  return static_cast<int>(count);
}

double FailureCount::last_of(const std::string& task) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return 0;
  double last = 0;
  for (double when : found->second.failures) last = std::max(last, when);
  for (const Loss& loss : found->second.losses) last = std::max(last, loss.when);
  return last;
}

}  // namespace apportion
