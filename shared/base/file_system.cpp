#include "shared/base/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "shared/base/bus_error.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw UserError("cannot " + what + " " + path + ": " + std::strerror(errno));
}

void sync_path(const std::string& path, int flags) {
  int file = ::open(path.c_str(), flags);
  if (file < 0) fail("open", path);
  int result = ::fsync(file);
  ::close(file);
  if (result != 0) fail("flush", path);
}

void write_all(int file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      int reason = errno;
      ::close(file);
      ::unlink(path.c_str());
      errno = reason;
      fail("write", path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

/// Closes with `errno` as it was, so that the reason of a failure is kept.
[[noreturn]] void close_and_fail(int file, const std::string& what, const std::string& path) {
  int reason = errno;
  ::close(file);
  errno = reason;
  fail(what, path);
}

std::string parent_of(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("read", path);
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    throw UserError("cannot read " + path + ": it is not a regular file");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED) {
      ::close(file);
      fail("map", path);
    }
    data_ = static_cast<const char*>(address);
    remember_mapping(data_, size_, path);
  }
  ::close(file);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (!data_) return;
  forget_mapping(data_);
  ::munmap(const_cast<char*>(data_), size_);
}

std::string read_file(const std::string& path) { return std::string(MappedFile(path).bytes()); }

std::string temporary_name(const std::string& path) { return path + ".tmp." + std::to_string(::getpid()); }

void commit_file(const std::string& temporary, const std::string& path) {
  sync_path(temporary, O_RDONLY);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename " + temporary + " to", path);
  sync_path(parent_of(path), O_RDONLY | O_DIRECTORY);
}

void read_file_part(const std::string& path, uint64_t offset, std::span<char> out) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("read", path);
  while (!out.empty()) {
    ssize_t size = ::pread(file, out.data(), out.size(), static_cast<off_t>(offset));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) close_and_fail(file, "read", path);
    if (size == 0) {
      ::close(file);
      throw UserError("cannot read " + path + ": it ends at byte " + std::to_string(offset) + ", " +
                      std::to_string(out.size()) + " bytes too early");
    }
    out = out.subspan(static_cast<size_t>(size));
    offset += static_cast<uint64_t>(size);
  }
  ::close(file);
}

uint64_t file_size(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail("read", path);
  if (!S_ISREG(status.st_mode)) throw UserError("cannot read " + path + ": it is not a regular file");
  return static_cast<uint64_t>(status.st_size);
}

void write_file(const std::string& path, std::string_view bytes) {
  write_file(path, std::vector<std::string_view>{bytes});
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  std::string temporary = temporary_name(path);
  int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("create", temporary);
  for (std::string_view part : parts) write_all(file, part, temporary);
  ::close(file);
  try {
    commit_file(temporary, path);
  } catch (const UserError&) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::vector<std::string> made;  // innermost first
  for (std::string at = path; at != "." && at != "/" && !std::filesystem::exists(at, error);
       at = parent_of(at)) {
    made.push_back(at);
  }
  std::filesystem::create_directories(path, error);
  if (error) throw UserError("cannot create the directory " + path + ": " + error.message());
  for (const std::string& directory : made) sync_path(parent_of(directory), O_RDONLY | O_DIRECTORY);
}

void remove_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) throw UserError("cannot remove the directory " + path + ": " + error.message());
}

DirectoryLock::DirectoryLock(const std::string& directory) {
  std::string path = directory + "/lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail("create", path);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    ssize_t size = ::pread(file_, holder, sizeof(holder) - 1, 0);
    ::close(file_);
    std::string who = size > 0 ? std::string(holder, static_cast<size_t>(size)) : "unknown";
    throw UserError("another run (process " + who + ") is using " + directory +
                    ": wait for it, or choose another --output");
  }
  std::string process = std::to_string(::getpid());
  if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, process.data(), process.size(), 0) < 0)
    fail("write", path);
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace apportion
