#include "shared/base/file_system.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <utility>

#include "shared/base/bus_error.h"
#include "shared/base/error.h"
#include "shared/base/process.h"

namespace apportion {
namespace {

constexpr const char* temporary_mark = ".tmp.";

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw_system_error("cannot " + what + " " + path, errno);
}

/// Flushes to disk, as far as the file system can: one that cannot (for folders, many network and user-space
/// ones) returns EINVAL or an unsupported operation, and nothing more can be done.
void sync_path(const std::string& path, int flags) {
  int file = ::open(path.c_str(), flags);
  if (file < 0) fail("open", path);
  int reason = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  errno = reason;
  if (reason != 0 && reason != EINVAL && reason != EOPNOTSUPP && reason != ENOSYS) fail("flush", path);
}

/// Closes but keeps `errno`, so that the reason for the failure is not lost.
[[noreturn]] void close_and_fail(int file, const std::string& what, const std::string& path) {
  int reason = errno;
  ::close(file);
  errno = reason;
  fail(what, path);
}

/// Whether a rename may replace what is at `path`: a regular file, or nothing. It would destroy a device, a
/// pipe or a link.
bool is_replaceable(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
}

/// Everything that a pipe or a device delivers.
std::string read_stream(const std::string& path) {
  constexpr size_t most_bytes = size_t{1} << 26, piece = size_t{1} << 16;
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("read", path);
  std::string text;
  for (;;) {
    const size_t end = text.size();
    text.resize(end + piece);
    const ssize_t size = ::read(file, text.data() + end, piece);
    const bool again = size < 0 && errno == EINTR;
    if (size < 0 && !again) close_and_fail(file, "read", path);
    text.resize(end + static_cast<size_t>(std::max<ssize_t>(size, 0)));
    if (size == 0 || text.size() > most_bytes) break;
  }
  ::close(file);
  if (text.size() > most_bytes) throw UserError("cannot read " + path + ": it gives more than 64 MiB");
  return text;
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

void release_pages(std::string_view part) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(part.data());
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + part.size()) / page * page;
  // A failure changes no value.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::string read_file(const std::string& path) {
  struct stat status {};
  const bool stream =
      ::stat(path.c_str(), &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
  return stream ? read_stream(path) : std::string(MappedFile(path).bytes());
}

bool is_regular_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool path_exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string temporary_name(const std::string& path) {
  static const unsigned own = std::random_device()();  // containers with one host name may share process
                                                       // numbers, too
  return path + temporary_mark + host_name() + "." + std::to_string(::getpid()) + "." + std::to_string(own);
}

bool is_temporary(const std::string& name) { return name.find(temporary_mark) != std::string::npos; }

void commit_file(const std::string& temporary, const std::string& path, const Confirm& confirm) {
  sync_path(temporary, O_RDONLY);
  if (confirm) confirm();
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("rename " + temporary + " to", path);
  sync_directory(parent_of(path));
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

FileWriter::FileWriter(const std::string& path)
    : path_(path), replaces_(is_replaceable(path)), written_(replaces_ ? temporary_name(path) : path) {
  // In /tmp the kernel lets nobody "create" another user's pipe, so O_CREAT is only for links to nothing.
  const int create = replaces_ || !path_exists(path) ? O_CREAT : 0;
  file_ = ::open(written_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | create, 0644);
  if (file_ < 0) fail("create", written_);
}

FileWriter::~FileWriter() {
  if (file_ >= 0) ::close(file_);
  if (replaces_ && !written_.empty()) ::unlink(written_.c_str());
}

void FileWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", written_);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void FileWriter::require_room(uint64_t bytes) const { apportion::require_room(written_, bytes); }

void FileWriter::finish() {
  // Some file systems report a full disk only here.
  if (::close(std::exchange(file_, -1)) != 0) fail("write", written_);
  if (replaces_) commit_file(written_, path_);
  written_.clear();
}

void write_file(const std::string& path, std::string_view bytes) {
  write_file(path, std::vector<std::string_view>{bytes});
}

void write_file(const std::string& path, const std::vector<std::string_view>& parts) {
  FileWriter writer(path);
  for (const std::string_view part : parts) writer.write(part);
  writer.finish();
}

void require_room(const std::string& path, uint64_t bytes) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) fail("write", path);
  if (disk.f_bavail * disk.f_frsize < bytes) throw_system_error("cannot write " + path, ENOSPC);
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::vector<std::string> made;  // innermost first
  for (std::string at = path; at != "." && at != "/" && !std::filesystem::exists(at, error);
       at = parent_of(at)) {
    if (std::filesystem::is_symlink(at, error)) {
      throw UserError("cannot create the directory " + path + ": " + (at == path ? "it" : at) +
                      " is a link to " + std::filesystem::read_symlink(at, error).string() +
                      ", which does not exist");
    }
    made.push_back(at);
  }
  std::filesystem::create_directories(path, error);
  if (error) throw_system_error("cannot create the directory " + path, error.value());
  for (const std::string& directory : made) sync_directory(parent_of(directory));
}

int write_at_once(int file, std::string_view bytes) {
  errno = ENOSPC;
  return ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) ? 0 : errno;
}

void sync_directory(const std::string& path) { sync_path(path, O_RDONLY | O_DIRECTORY); }

void remove_directory(const std::string& path) {
  // Another run in the same folder may be removing it too, or still be writing into it.
  constexpr int attempts = 100;
  std::error_code error;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    std::filesystem::remove_all(path, error);
    if (error != std::errc::no_such_file_or_directory && error != std::errc::directory_not_empty) break;
  }
  if (error) throw_system_error("cannot remove the directory " + path, error.value());
}

}  // namespace apportion
