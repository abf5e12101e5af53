// Files as this project reads and writes them: mapped for reading, and replaced whole when written
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

/// Takes the whole pages in `part`, of a mapped file, out of this process's memory, as what was read of them
/// is kept elsewhere: who reads there again gets them out of the system's cache, or from the disk.
void release_pages(std::string_view part);

/// The whole file as a string, or all that a pipe or a device gives, at most 64 MiB. Throws UserError when it
/// cannot be read.
std::string read_file(const std::string& path);

/// Whether there is a regular file, or a link to one.
bool is_regular_file(const std::string& path);

/// Whether there is anything of that name, as far as can be seen: a link that leads nowhere is nothing.
bool path_exists(const std::string& path);

/// Names of all that is in a directory, sorted; none when it is not there or cannot be read.
std::vector<std::string> names_in(const std::string& directory);

/// The file's bytes [offset, offset + out.size()) into `out`, and nothing else of it. Throws UserError with
/// the system's reason, or when the file ends before.
void read_file_part(const std::string& path, uint64_t offset, std::span<char> out);

/// Bytes of the regular file. Throws UserError with the system's reason.
uint64_t file_size(const std::string& path);

/// Replaces a file piece by piece: a temporary_name() is written, and at the end synced and renamed, and the
/// directory synced. What is neither absent nor a regular file (a device, a pipe, a link) stays, and the
/// bytes are written to it. Everything throws UserError with the system's reason.
class FileWriter {
 public:
  explicit FileWriter(const std::string& path);
  /// An unfinished file is removed, and what was there before is still there.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(std::string_view bytes);
  /// Throws StorageError when the disk has no room for so many bytes: before they are made, which may take
  /// hours.
  void require_room(uint64_t bytes) const;
  /// The last call.
  void finish();

 private:
  std::string path_;
  bool replaces_;
  std::string written_;  // under this name
  int file_ = -1;
};

/// Replaces `path` by `bytes` as a FileWriter does.
void write_file(const std::string& path, std::string_view bytes);
/// The same for bytes that lie in several places, in their order.
void write_file(const std::string& path, const std::vector<std::string_view>& parts);

/// The name under which a writer prepares the next content of `path` (same directory, hence renamable); no
/// two processes have the same.
std::string temporary_name(const std::string& path);
/// Whether a file of that name is one that a writer prepares, or has left when it was killed.
bool is_temporary(const std::string& name);

/// Throws StorageError, with the reason of a full disk, when the one that has `path` has fewer bytes left.
void require_room(const std::string& path, uint64_t bytes);

/// Asked when all of a file is on disk, just before it takes its name; throws where it must not.
using Confirm = std::function<void()>;

/// Flushes the finished file `temporary` to disk, renames it to `path` and syncs the directory.
void commit_file(const std::string& temporary, const std::string& path, const Confirm& confirm = {});

/// Creates a directory and its parents, and flushes the new names to disk. Throws UserError with the system's
/// reason, or the link that leads nowhere.
void make_directories(const std::string& path);

/// Writes all of `bytes` to an open file with one call, so that other processes see all or nothing of it
/// where the system can do that. 0, or the system's error number: of a full disk where only a part was
/// written.
int write_at_once(int file, std::string_view bytes);

/// Flushes to disk which names are in the directory, for a file that was made there by other means than
/// these. Throws UserError with the system's reason.
void sync_directory(const std::string& path);

/// Removes a directory with all that is in it; nothing when it is absent. Throws UserError with the system's
/// reason.
void remove_directory(const std::string& path);

}  // namespace apportion
