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
  }
  ::close(file);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<char*>(data_), size_);
}

std::string read_file(const std::string& path) { return std::string(MappedFile(path).bytes()); }

std::string temporary_name(const std::string& path) { return path + ".tmp." + std::to_string(::getpid()); }

void commit_file(const std::string& temporary, const std::string& path) {
  sync_path(temporary, O_RDONLY);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename " + temporary + " to", path);
  std::string directory = std::filesystem::path(path).parent_path().string();
  sync_path(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
}

void write_file(const std::string& path, std::string_view bytes) {
  std::string temporary = temporary_name(path);
  int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail("create", temporary);
  write_all(file, bytes, temporary);
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
  std::filesystem::create_directories(path, error);
  if (error) throw UserError("cannot create the directory " + path + ": " + error.message());
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
