// Files as this project reads and writes them: mapped for reading, and replaced as a whole when written
// (temporary name, flush, rename, flush of the directory), so that a crash leaves the old file or the new
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// Drops the whole pages within `part`, of a mapped file, from this process's memory once their contents are
/// kept elsewhere; reading there again fetches them from the system's cache or the disk.
void release_pages(std::string_view part);

/// The whole file as a string, or everything that a pipe or device delivers, at most 64 MiB. Throws UserError
/// when it cannot be read.
std::string read_file(const std::string& path);

/// Whether there is a regular file, or a link to one.
bool is_regular_file(const std::string& path);

/// Whether anything of that name exists, as far as can be seen: a link that leads nowhere counts as nothing.
bool path_exists(const std::string& path);

/// Sorted names of everything in a directory; none when it does not exist or cannot be read.
std::vector<std::string> names_in(const std::string& directory);

/// Reads only the file's bytes [offset, offset + out.size()) into `out`. Throws UserError with the system's
/// reason, or when the file ends earlier.
void read_file_part(const std::string& path, uint64_t offset, std::span<char> out);

/// Size of the regular file in bytes. Throws UserError with the system's reason.
uint64_t file_size(const std::string& path);

/// Replaces a file piece by piece: writes a temporary_name(), and at the end syncs it, renames it and syncs
/// the directory. Anything but a regular file or nothing (a device, a pipe, a link) stays and receives the
/// bytes itself. All calls throw UserError with the system's reason.
class FileWriter {
 public:
  explicit FileWriter(const std::string& path);
  /// Removes an unfinished file; what was there before is still there.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::string_view bytes);
  /// Throws StorageError when the disk has no room for so many bytes, so that a caller can ask before making
  /// them, which may take hours.
  void require_room(uint64_t bytes) const;
  /// Must be the last call.
  void finish();

 private:
  std::string path_;
  bool replaces_;
  std::string written_;  // the name that is written to
  int file_ = -1;
};

/// Replaces `path` by `bytes` as a FileWriter does.
void write_file(const std::string& path, std::string_view bytes);
/// The same for bytes in several places, written in order.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

/// The name under which a writer prepares the next content of `path` (in the same directory, so that it can
/// be renamed); no two processes have the same.
std::string temporary_name(const std::string& path);
/// Whether a writer prepares a file under that name, or left it there when it was killed.
bool is_temporary(const std::string& name);

/// Throws StorageError, with the reason of a full disk, when the disk that holds `path` has fewer bytes left.
void require_room(const std::string& path, uint64_t bytes);

/// Called when all of a file is on disk, just before it takes its name; throws when it must not.
using Confirm = std::function<void()>;

/// Flushes the finished file `temporary` to disk, renames it to `path` and syncs the directory.
void commit_file(const std::string& temporary, const std::string& path, const Confirm& confirm = {});

/// Creates a directory and its parents, and flushes the new names to disk. Throws UserError with the system's
/// reason, or naming a link that leads nowhere.
void make_directories(const std::string& path);

/// Writes all of `bytes` to an open file in one call, so that other processes see all or nothing of it where
/// the system allows. Returns 0 or the system's error number: that of a full disk when only a part was
/// written.
int write_at_once(int file, std::string_view bytes);

/// Flushes to disk which names are in the directory, for a file that was created there by other means. Throws
/// UserError with the system's reason.
void sync_directory(const std::string& path);

/// Removes a directory with everything in it; does nothing when there is none. Throws UserError with the
/// system's reason.
void remove_directory(const std::string& path);

}  // namespace apportion
