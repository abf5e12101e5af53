// Files as this project reads and writes them: mapped for reading, and replaced whole when written
// (temporary name, flush, rename, flush of the directory), so that a crash leaves the old file or the new
// one.
#pragma once

#include <string>
#include <string_view>

namespace apportion {

/// A read-only memory map of a whole file. Throws UserError when the file cannot be opened.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

/// The whole file as a string. Throws UserError when it cannot be read.
std::string read_file(const std::string& path);

/// Replaces `path` by `bytes`: PATH.tmp.PID is written and synced, renamed, and the directory synced.
/// Throws UserError with the system's reason; the temporary file is removed then.
void write_file(const std::string& path, std::string_view bytes);

/// The name under which a writer prepares the next content of `path` (same directory, hence renamable).
std::string temporary_name(const std::string& path);

/// Flushes the finished file `temporary` to disk, renames it to `path` and syncs the directory.
void commit_file(const std::string& temporary, const std::string& path);

/// Creates a directory and its parents. Throws UserError with the system's reason.
void make_directories(const std::string& path);

/// Holds an exclusive lock on DIRECTORY/lock as long as it lives (flock, so a killed process frees it).
class DirectoryLock {
 public:
  /// Throws UserError that names the holder's process when another process has the lock.
  explicit DirectoryLock(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace apportion
