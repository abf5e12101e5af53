#include "tests/simulated/file_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <mutex>

#include "shared/base/error.h"

namespace apportion {
namespace {

// Makes a call and its record one step; otherwise two threads' records could be in a different order than
// their calls.
std::mutex lock;
FileLog* current = nullptr;

std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

/// The path of a name in an open folder.
std::string path_at(int folder, const char* name) {
  if (folder == AT_FDCWD || *name == '/') return name;
  std::array<char, 4096> path = {};
  const std::string link = "/proc/self/fd/" + std::to_string(folder);
  const long size = ::syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path.data(), path.size() - 1);
  return std::string(path.data(), static_cast<size_t>(std::max(size, 0L))) + "/" + name;
}

/// Makes the call and, if it succeeded and a log is kept, records it.
template <typename Call, typename Note>
long noted(Call call, Note note) {
  const std::lock_guard guard(lock);
  const long result = call();
  const int error = errno;
  if (result >= 0 && current) note(*current, result);
  errno = error;
  return result;
}

int open_at(int folder, const char* name, int flags, unsigned mode) {
  return static_cast<int>(noted(
      [&] { return ::syscall(SYS_openat, folder, name, flags, mode); },
      [&](FileLog& log, long file) { log.opened(static_cast<int>(file), path_at(folder, name), flags); }));
}

int rename_noted(const char* from, const char* to) {
  return static_cast<int>(noted([&] { return ::syscall(SYS_rename, from, to); },
                                [&](FileLog& log, long) { log.renamed(from, to); }));
}

int remove_at(int folder, const char* name, int flags) {
  return static_cast<int>(noted([&] { return ::syscall(SYS_unlinkat, folder, name, flags); },
                                [&](FileLog& log, long) { log.removed(path_at(folder, name)); }));
}

}  // namespace

FileLog::FileLog(const std::string& folder) : folder_(absolute(folder)), nodes_{{folder_, 0}} {
  const std::lock_guard guard(lock);
  ensure(!current, "one log is kept at a time");
  current = this;
}

FileLog::~FileLog() {
  const std::lock_guard guard(lock);
  current = nullptr;
}

bool FileLog::is_below(const std::string& path) const { return absolute(path).starts_with(folder_ + "/"); }

FileLog::Place FileLog::place_of(const std::string& path) const {
  const std::filesystem::path at = absolute(path);
  return {nodes_.at(at.parent_path().string()), at.filename().string()};
}

size_t FileLog::make(FileCall::Kind kind, const std::string& path) {
  const Place place = place_of(path);
  nodes_[absolute(path)] = ++made_;
  calls_.push_back({kind, made_, place.folder, 0, place.name});
  return made_;
}

void FileLog::opened(int file, const std::string& path, int flags) {
  open_.erase(file);
  if (absolute(path) != folder_ && !is_below(path)) return;
  const auto found = nodes_.find(absolute(path));
  if (found == nodes_.end()) {
    open_[file] = make(FileCall::Kind::make_file, path);
    return;
  }
  open_[file] = found->second;
  if ((flags & O_TRUNC) != 0) resized(file, 0);
}

void FileLog::wrote(int file, uint64_t offset, const void* bytes, size_t size) {
  const auto node = open_.find(file);
  if (node == open_.end()) return;
  calls_.push_back({FileCall::Kind::write,
                    node->second,
                    0,
                    0,
                    {},
                    {},
                    offset,
                    std::string(static_cast<const char*>(bytes), size)});
}

void FileLog::resized(int file, uint64_t size) {
  const auto node = open_.find(file);
  if (node != open_.end()) calls_.push_back({FileCall::Kind::resize, node->second, 0, 0, {}, {}, size});
}

void FileLog::synced(int file) {
  const auto node = open_.find(file);
  if (node != open_.end()) calls_.push_back({FileCall::Kind::sync, node->second});
}

void FileLog::made_folder(const std::string& path) {
  if (is_below(path)) make(FileCall::Kind::make_folder, path);
}

void FileLog::renamed(const std::string& from, const std::string& to) {
  if (!is_below(from)) return;
  const Place old_place = place_of(from), place = place_of(to);
  const auto node = nodes_.extract(absolute(from));
  nodes_[absolute(to)] = node.mapped();
  calls_.push_back(
      {FileCall::Kind::rename, node.mapped(), place.folder, old_place.folder, place.name, old_place.name});
}

void FileLog::linked(const std::string& from, const std::string& to) {
  if (!is_below(from)) return;
  const Place place = place_of(to);
  const size_t node = nodes_.at(absolute(from));
  nodes_[absolute(to)] = node;
  calls_.push_back({FileCall::Kind::link, node, place.folder, 0, place.name});
}

void FileLog::removed(const std::string& path) {
  if (!is_below(path)) return;
  const Place place = place_of(path);
  const auto node = nodes_.extract(absolute(path));
  calls_.push_back({FileCall::Kind::remove, node.mapped(), place.folder, 0, place.name});
}

}  // namespace apportion

// These replace the C library's and ask the kernel for the same.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  return apportion::open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  return apportion::open_at(folder, path, flags, mode);
}

int close(int file) {
  return static_cast<int>(apportion::noted([&] { return ::syscall(SYS_close, file); },
                                           [&](apportion::FileLog& log, long) { log.closed(file); }));
}

ssize_t write(int file, const void* bytes, size_t size) {
  off_t offset = 0;
  return apportion::noted(
      [&] {
        const bool appends = (::syscall(SYS_fcntl, file, F_GETFL) & O_APPEND) != 0;
        struct stat status {};
        offset = appends && ::fstat(file, &status) == 0 ? status.st_size : ::lseek(file, 0, SEEK_CUR);
        return ::syscall(SYS_write, file, bytes, size);
      },
      [&](apportion::FileLog& log, long written) {
        log.wrote(file, static_cast<uint64_t>(offset), bytes, static_cast<size_t>(written));
      });
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  return apportion::noted([&] { return ::syscall(SYS_pwrite64, file, bytes, size, offset); },
                          [&](apportion::FileLog& log, long written) {
                            log.wrote(file, static_cast<uint64_t>(offset), bytes,
                                      static_cast<size_t>(written));
                          });
}

int ftruncate(int file, off_t size) noexcept {
  return static_cast<int>(apportion::noted(
      [&] { return ::syscall(SYS_ftruncate, file, size); },
      [&](apportion::FileLog& log, long) { log.resized(file, static_cast<uint64_t>(size)); }));
}

// Does not wait for a disk: what a crash leaves is worked out.
int fsync(int file) {
  return static_cast<int>(
      apportion::noted([&] { return ::syscall(SYS_fcntl, file, F_GETFD) >= 0 ? 0L : -1L; },
                       [&](apportion::FileLog& log, long) { log.synced(file); }));
}

int fdatasync(int file) {
  return static_cast<int>(
      apportion::noted([&] { return ::syscall(SYS_fcntl, file, F_GETFD) >= 0 ? 0L : -1L; },
                       [&](apportion::FileLog& log, long) { log.synced(file); }));
}

int mkdir(const char* path, mode_t mode) noexcept {
  return static_cast<int>(apportion::noted([&] { return ::syscall(SYS_mkdir, path, mode); },
                                           [&](apportion::FileLog& log, long) { log.made_folder(path); }));
}

int rename(const char* from, const char* to) noexcept { return apportion::rename_noted(from, to); }

int link(const char* from, const char* to) noexcept {
  return static_cast<int>(apportion::noted([&] { return ::syscall(SYS_link, from, to); },
                                           [&](apportion::FileLog& log, long) { log.linked(from, to); }));
}

int unlink(const char* path) noexcept { return apportion::remove_at(AT_FDCWD, path, 0); }

int unlinkat(int folder, const char* path, int flags) noexcept {
  return apportion::remove_at(folder, path, flags);
}

int rmdir(const char* path) noexcept { return apportion::remove_at(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char* path) noexcept {
  if (::unlink(path) == 0) return 0;
  return errno == EISDIR ? ::rmdir(path) : -1;
}

}  // extern "C"
