// Records what this program does to the files below a folder, call by call, as the disk sees it. In a program
// linked with file_log.cpp the C library's calls are replaced by ones that do the same and record it; the
// tested code does not notice. losing_disk.h works out what is left after a crash.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace apportion {

/// Files and folders are numbered in the order they are made; 0 is the watched folder.
struct FileCall {
  enum class Kind { make_file, make_folder, write, resize, sync, rename, link, remove, mark };
  Kind kind = Kind::mark;
  size_t node = 0;                      // the file or folder
  size_t folder = 0, other_folder = 0;  // where its name is made or goes; for rename: from where
  std::string name = {}, other_name = {};
  uint64_t offset = 0;  // for write; for resize: the size
  std::string bytes = {};
};

/// Only one may exist at a time. Renaming folders is not supported; what was in the folder before is unknown.
class FileLog {
 public:
  /// Calls are recorded from here on.
  explicit FileLog(const std::string& folder);
  ~FileLog();
  FileLog(const FileLog&) = delete;
  FileLog& operator=(const FileLog&) = delete;

  /// Marks count what was promised to be on disk by now.
  void mark() { calls_.push_back({}); }
  const std::vector<FileCall>& calls() const { return calls_; }

  // Used by the replaced calls.
  void opened(int file, const std::string& path, int flags);
  void closed(int file) { open_.erase(file); }
  void wrote(int file, uint64_t offset, const void* bytes, size_t size);
  void resized(int file, uint64_t size);
  void synced(int file);
  void made_folder(const std::string& path);
  void renamed(const std::string& from, const std::string& to);
  void linked(const std::string& from, const std::string& to);
  void removed(const std::string& path);

 private:
  struct Place {
    size_t folder;
    std::string name;
  };
  bool is_below(const std::string& path) const;
  Place place_of(const std::string& path) const;
  size_t make(FileCall::Kind kind, const std::string& path);

  std::string folder_;
  std::map<std::string, size_t> nodes_;  // by path, as it is now
  std::map<int, size_t> open_;
  std::vector<FileCall> calls_;
  size_t made_ = 0;
};

}  // namespace apportion
