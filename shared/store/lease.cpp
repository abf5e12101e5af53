#include "shared/store/lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr double beat_period_s = 2;

/// The file's bytes; nothing when there is none, or it cannot be read now.
std::optional<std::string> bytes_of(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string bytes;
  std::array<char, 16384> part{};
  ssize_t size = 0;
  while ((size = ::read(file, part.data(), part.size())) > 0)
    bytes.append(part.data(), static_cast<size_t>(size));
  ::close(file);
  if (size < 0) return std::nullopt;
  return bytes;
}

/// Writes without a flush: if a crash of the machine takes these files, nobody holds them any more.
void write_plainly(const std::string& path, const std::string& bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int error = file < 0 ? errno : 0;
  if (file >= 0) {
    error = write_at_once(file, bytes);
    if (::close(file) != 0 && error == 0) error = errno;
  }
  if (error == 0) return;
  ::unlink(path.c_str());
  throw_system_error("cannot write " + path, error);
}

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string own_slurm_job() {
  const std::string array = text_of("SLURM_ARRAY_JOB_ID");
  return array.empty() ? text_of("SLURM_JOB_ID") : array + "_" + text_of("SLURM_ARRAY_TASK_ID");
}

/// Slurm sets this to the number of restarts, from the first one on.
bool is_restarted() {
  return !text_of("SLURM_RESTART_COUNT").empty() && text_of("SLURM_RESTART_COUNT") != "0";
}

/// "node1-4711-9f3a": no two members share one, whatever containers they are in.
std::string new_member() {
  std::random_device random;
  std::string host = host_name();
  for (char& character : host) {
    if (std::isalnum(static_cast<unsigned char>(character)) == 0 && character != '.') character = '_';
  }
  return fmt::format("{}-{}-{:08x}", host, ::getpid(), random());
}

std::string print(const MemberFile& member) {
  return json_text(nlohmann::json{{"process", member.process.process},
                                  {"start", member.process.start},
                                  {"host", member.process.host},
                                  {"job", member.job},
                                  {"slurm_job", member.slurm_job},
                                  {"began", member.began},
                                  {"beats", member.beats},
                                  {"limit_s", member.limit_s},
                                  {"doing", member.doing}}) +
         "\n";
}

std::optional<MemberFile> read_member(const std::string& path) {
  const std::optional<std::string> bytes = bytes_of(path);
  if (!bytes) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(*bytes, nullptr, false);
  try {
    MemberFile member;
    json.at("process").get_to(member.process.process);
    json.at("start").get_to(member.process.start);
    json.at("host").get_to(member.process.host);
    json.at("job").get_to(member.job);
    json.at("slurm_job").get_to(member.slurm_job);
    json.at("began").get_to(member.began);
    json.at("beats").get_to(member.beats);
    member.limit_s = json.value("limit_s", member.limit_s);
    json.at("doing").get_to(member.doing);
    return member;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

/// A lease's first line.
std::string holder_in(const std::string& bytes) { return bytes.substr(0, bytes.find('\n')); }

/// Visits the names in a folder that others may see: those with a leading dot are still being made.
template <typename Take>
void each_name(const std::string& folder, const Take& take) {
  for (const std::string& name : names_in(folder)) {
    if (!name.starts_with('.')) take(name, folder + "/" + name);
  }
}

/// Some file systems have no links (FAT, some in user space).
bool has_no_links(int error) {
  return error == EPERM || error == ENOSYS || error == EOPNOTSUPP || error == EMLINK;
}

/// Creates the file exclusively, where there are no links: for a moment it is empty, and so nobody's. Returns
/// 0 or errno.
int create_exclusively(const std::string& path, const std::string& bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return errno;
  const int error = write_at_once(file, bytes);
  ::close(file);
  if (error != 0) ::unlink(path.c_str());
  return error;
}

}  // namespace

std::string members_directory(const std::string& directory) { return directory + "/members"; }
std::string leases_directory(const std::string& directory) { return directory + "/leases"; }

std::map<std::string, MemberFile> read_members(const std::string& directory) {
  std::map<std::string, MemberFile> members;
  each_name(members_directory(directory), [&](const std::string& name, const std::string& path) {
    if (auto member = read_member(path)) members[name] = std::move(*member);
  });
  return members;
}

std::map<std::string, std::string> read_leases(const std::string& directory) {
  std::map<std::string, std::string> leases;
  each_name(leases_directory(directory), [&](const std::string& name, const std::string& path) {
    if (const auto bytes = bytes_of(path)) leases[name] = holder_in(*bytes);
  });
  return leases;
}

Leases::Leases(std::string directory, const std::string& job, double limit_s)
    : directory_(std::move(directory)),
      member_(new_member()),
      limit_s_(limit_s),
      last_beat_(seconds_now()),
      last_sign_(last_beat_),
      clock_(seconds_now()) {
  make_directories(members_directory(directory_));
  make_directories(leases_directory(directory_));
  sign_ = {own_process(), job, own_slurm_job(), unix_seconds(), 0, limit_s};
  if (!sign_.slurm_job.empty() && is_restarted()) {
    for (const auto& [member, sign] : read_members(directory_)) {
      if (sign.slurm_job == sign_.slurm_job) earlier_starts_.insert(member);
    }
  }
  write_sign();
}

Leases::~Leases() {
  const std::set<std::string> own = own_;
  for (const std::string& task : own) release(task);
  ::unlink((members_directory(directory_) + "/" + member_).c_str());
}

std::string Leases::path_of(const std::string& task) const {
  return leases_directory(directory_) + "/" + task;
}

void Leases::write_sign() {
  const std::string folder = members_directory(directory_) + "/";
  write_plainly(folder + "." + member_, print(sign_));
  if (::rename((folder + "." + member_).c_str(), (folder + member_).c_str()) != 0)
    throw_system_error("cannot write " + folder + member_, errno);
}

bool Leases::beat() {
  const double now = seconds_now();
  clock_.seconds(now);
  if (now < last_beat_ + beat_period_s) return false;
  last_beat_ = now;
  ++sign_.beats;
  try {
    write_sign();
    last_sign_ = now;
  } catch (const UserError&) {  // a full disk, an absent server: others wait for limit_s
    if (now > last_sign_ + limit_s_ / 2) throw;
  }
  return true;
}

/// By this member's own clock, from when it last saw the other's count change: hosts' clocks need not agree.
bool Leases::is_gone(const std::string& member) {
  if (member == member_) return false;
  const std::optional<MemberFile> sign = read_member(members_directory(directory_) + "/" + member);
  const double now = clock_.seconds(seconds_now());
  if (sign && apportion::is_gone(sign->process)) return true;
  // A member without a sign has left, but may be about to give back what it still had.
  const uint64_t beats = sign ? sign->beats : 0;
  const auto [entry, is_new] = heard_.try_emplace(member, Heard{beats, now});
  if (!is_new && entry->second.beats != beats) entry->second = {beats, now};
  return now - entry->second.at > (sign ? limit_s_ : beat_period_s);
}

/// Creates the lease; false when there is one already.
bool Leases::enter(const std::string& task) const {
  const std::string own = leases_directory(directory_) + "/." + member_, path = path_of(task);
  write_plainly(own, member_ + "\n");
  int error = ::link(own.c_str(), path.c_str()) == 0 ? 0 : errno;
  ::unlink(own.c_str());
  if (has_no_links(error)) error = create_exclusively(path, member_ + "\n");
  // NFS may report an error for a link that was made.
  const bool ours = error == 0 || (error != EEXIST && holds(task));
  if (!ours && error != EEXIST) throw_system_error("cannot create " + path, error);
  return ours;
}

/// Takes the lease away from a holder that is gone. Another member may have done so since it was read, and
/// taken the task: then the moved lease is put back.
bool Leases::take_away(const std::string& task, const std::string& holder) const {
  const std::string aside = leases_directory(directory_) + "/." + member_ + ".gone";
  if (::rename(path_of(task).c_str(), aside.c_str()) != 0) return false;
  const bool right = holder_in(bytes_of(aside).value_or("")) == holder;
  // If a third member has it by now, the one whose lease this was finds out before it writes.
  if (!right && ::link(aside.c_str(), path_of(task).c_str()) != 0 && has_no_links(errno))
    create_exclusively(path_of(task), bytes_of(aside).value_or(""));
  ::unlink(aside.c_str());
  return right;
}

Leases::Taking Leases::take(const std::string& task) {
  Taking taking;
  constexpr int attempts = 3;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (enter(task)) {
      own_.insert(task);
      taking.ours = true;
      return taking;
    }
    const std::optional<std::string> bytes = bytes_of(path_of(task));
    if (!bytes) continue;  // given back meanwhile
    taking.holder = holder_in(*bytes);
    if (!is_gone(taking.holder)) return taking;
    if (take_away(task, taking.holder)) taking.lost_by = taking.holder;
  }
  return taking;
}

std::unordered_set<std::string> Leases::taken() const {
  std::unordered_set<std::string> tasks;
  each_name(leases_directory(directory_),
            [&](const std::string& name, const std::string&) { tasks.insert(name); });
  return tasks;
}

std::unordered_set<std::string> Leases::held() {
  std::unordered_set<std::string> tasks;
  std::map<std::string, bool> gone;
  for (const auto& [task, holder] : read_leases(directory_)) {
    const auto [entry, is_new] = gone.try_emplace(holder);
    if (is_new) entry->second = is_gone(holder);
    if (!entry->second) tasks.insert(task);
  }
  return tasks;
}

bool Leases::is_held(const std::string& task) {
  const std::optional<std::string> bytes = bytes_of(path_of(task));
  return bytes && !is_gone(holder_in(*bytes));
}

bool Leases::is_of_earlier_start(const std::string& task) const {
  if (earlier_starts_.empty()) return false;
  const std::optional<std::string> bytes = bytes_of(path_of(task));
  return bytes && earlier_starts_.contains(holder_in(*bytes));
}

bool Leases::holds(const std::string& task) const {
  // It is missing for a moment while another member looks whose it is.
  constexpr int looks = 20;
  constexpr std::chrono::milliseconds pause(50);
  for (int look = 0; look < looks; ++look) {
    if (const auto bytes = bytes_of(path_of(task))) return holder_in(*bytes) == member_;
    std::this_thread::sleep_for(pause);
  }
  return false;
}

void Leases::release(const std::string& task) {
  sign_.doing.erase(task);
  if (own_.erase(task) > 0 && holds(task)) ::unlink(path_of(task).c_str());
}

}  // namespace apportion
