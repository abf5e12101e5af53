// What this program does to the files below a folder, call by call, as a disk is asked for it: in a program
// that is linked with file_log.cpp the C library's calls are replaced by ones that do the same and write it
// down. What is tested knows nothing of it. What of it is there after a crash is losing_disk.h's business.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace apportion {

/// Files and folders are numbered as they are made; 0 is the folder that is watched.
struct FileCall {
  enum class Kind { make_file, make_folder, write, resize, sync, rename, link, remove, mark };
  Kind kind = Kind::mark;
  size_t node = 0;                      // the file or folder
  size_t folder = 0, other_folder = 0;  // where its name is made or goes; of rename: whence
  std::string name = {}, other_name = {};
  uint64_t offset = 0;  // of write; of resize: the size
  std::string bytes = {};
};

/// One at a time. Folders are not renamed; what was below the folder before is not known.
class FileLog {
 public:
  /// From here on calls are written down.
  explicit FileLog(const std::string& folder);
  ~FileLog();
  FileLog(const FileLog&) = delete;
  FileLog& operator=(const FileLog&) = delete;

  /// What was promised to be on disk by now is counted by these.
  void mark() { calls_.push_back({}); }
  const std::vector<FileCall>& calls() const { return calls_; }

  // For the calls themselves.
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
