#include "shared/base/directory_lock.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

constexpr const char* advice = "wait for it, or choose another --output";

std::string reason() { return std::strerror(errno); }

/// Opens DIRECTORY/lock; of one that is another user's the line says so.
int open_lock(const std::string& directory) {
  const std::string path = directory + "/lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file >= 0) return file;
  const std::string why = reason();
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && status.st_uid != ::geteuid()) {
    const passwd* user = ::getpwuid(status.st_uid);
    throw UserError(directory + " is in use by another user (" +
                    (user ? user->pw_name : std::to_string(status.st_uid)) + ") or was: cannot open " + path +
                    ": " + why + "; choose another --output");
  }
  throw UserError("cannot create " + path + ": " + why);
}

/// Whether a flock that failed so says that the file system has none.
bool has_no_flock(int error) { return error == ENOSYS || error == ENOLCK || error == EOPNOTSUPP; }

std::string first_word(int file) {
  std::array<char, 32> bytes = {};
  const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
  return size > 0 ? std::string(bytes.data(), static_cast<size_t>(size)) : "unknown";
}

/// A process as others can tell whether it still runs: its number may be given again, its start not. `host`
/// has its namespace of processes behind it, since containers of one host may share the name.
struct Holder {
  std::string process, start, host;
  bool operator==(const Holder&) const = default;
};

/// Field 22 of /proc/PROCESS/stat, proc(5); empty when there is no such process.
std::string start_of(const std::string& process) {
  std::ifstream file("/proc/" + process + "/stat");
  std::string line, field;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(line.substr(name_end + 1));
  for (int number = 3; number <= 22; ++number) fields >> field;
  return field;
}

Holder own_holder() {
  std::array<char, 256> host = {}, space = {};
  ::gethostname(host.data(), host.size() - 1);
  const ssize_t size = ::readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  const std::string process = std::to_string(::getpid());
  return {process, start_of(process),
          std::string(host.data()) + "/" +
              std::string(space.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)))};
}

std::string encode(const Holder& holder) {
  return holder.process + " " + holder.start + " " + holder.host + "\n";
}

/// All fields are empty where the file is not there or not finished.
Holder read_holder(const std::string& path) {
  Holder holder;
  std::ifstream file(path);
  if (!(file >> holder.process >> holder.start >> holder.host)) return {};
  return holder;
}

/// Whether it can be seen from here that the process has ended.
bool is_gone(const Holder& holder) {
  return !holder.process.empty() && holder.host == own_holder().host &&
         start_of(holder.process) != holder.start;
}

[[noreturn]] void refuse(const std::string& directory, const Holder& holder, const std::string& why) {
  const bool known = !holder.process.empty();
  const std::string who = known ? "process " + holder.process : "an unknown process";
  if (known && holder.host == own_holder().host)
    throw UserError("another run (" + who + ") is using " + directory + ": " + advice);
  throw UserError(directory + " is in use by another run, or was when it ended (" + who +
                  (known ? " of " + holder.host.substr(0, holder.host.find('/')) : "") +
                  "): this file system has no flock (" + why + "), so " + directory + "/lock.held says it; " +
                  advice + ", or remove that file if the run has ended");
}

/// Takes away the lock of a holder that is gone. Another run may have done so, and taken the lock, since it
/// was read: then what was moved is put back.
void remove_gone(const std::string& path, const Holder& holder) {
  const std::string aside = temporary_name(path);
  if (::rename(path.c_str(), aside.c_str()) != 0) return;
  if (!(read_holder(aside) == holder) && ::link(aside.c_str(), path.c_str()) != 0) {
    ::rename(aside.c_str(), path.c_str());
    return;
  }
  ::unlink(aside.c_str());
}

/// Makes DIRECTORY/lock.held. `why` is what flock failed with.
std::string take_held(const std::string& directory, const std::string& why) {
  std::string path = directory + "/lock.held";
  const std::string text = encode(own_holder());
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file >= 0) {
      const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
      const std::string failure = reason();
      ::close(file);
      if (written) return path;
      ::unlink(path.c_str());
      throw UserError("cannot write " + path + ": " + failure);
    }
    if (errno != EEXIST) throw UserError("cannot create " + path + ": " + reason());
    const Holder holder = read_holder(path);
    if (!is_gone(holder)) refuse(directory, holder, why);
    remove_gone(path, holder);
  }
  refuse(directory, read_holder(path), why);
}

}  // namespace

DirectoryLock::DirectoryLock(const std::string& directory) {
  file_ = open_lock(directory);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string why = reason(), holder = first_word(file_);
    ::close(std::exchange(file_, -1));
    if (has_no_flock(error)) {
      held_ = take_held(directory, why);
      return;
    }
    if (error != EWOULDBLOCK) throw UserError("cannot lock " + directory + "/lock: " + why);
    throw UserError("another run (process " + holder + ") is using " + directory + ": " + advice);
  }
  const std::string process = std::to_string(::getpid());
  if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, process.data(), process.size(), 0) < 0) {
    const std::string why = reason();
    ::close(file_);
    throw UserError("cannot write " + directory + "/lock: " + why);
  }
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
  if (!held_.empty()) ::unlink(held_.c_str());
}

}  // namespace apportion
