// A file system that keeps only what was synced: works out what may be on it after a crash at any moment,
// from the calls made before (file_log.h). A file's bytes are safe once the file was synced, and a folder's
// names once the folder was; of everything else any part may be missing, in any order. This is the least that
// POSIX promises, and less than most file systems keep.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulated/file_log.h"

namespace apportion {

/// What became of a call that was not synced. half: the first half of its bytes is there; zeros: as many
/// bytes are there, but all 0.
enum class Fate : uint8_t { kept, lost, half, zeros };

/// What is below the folder, by relative path: a file's bytes, or nothing for a folder.
using DiskImage = std::map<std::string, std::optional<std::string>>;

class LosingDisk {
 public:
  /// The disk after the first `count` of the calls.
  LosingDisk(const std::vector<FileCall>& calls, size_t count);

  /// How many calls may be lost.
  size_t unsure() const { return unsure_.size(); }
  /// Whether this call writes bytes, which may then be there in part.
  bool is_write(size_t unsure) const;
  /// The disk's content with these fates, one for each unsure call.
  DiskImage image(const std::vector<Fate>& fates) const;

 private:
  const std::vector<FileCall>& calls_;
  size_t count_;
  std::vector<size_t> unsure_;  // numbers of calls
};

/// Combinations of fates: all of them for few calls; otherwise each call lost alone, kept alone, and there in
/// part, all calls of one sort lost, and some random ones.
std::vector<std::vector<Fate>> fates_to_try(const LosingDisk& disk);
std::vector<std::vector<Fate>> all_or_none(const LosingDisk& disk);

void write_image(const DiskImage& image, const std::string& folder);

/// Writes each distinct state that a crash at any moment may leave to its own folder, and passes it to
/// `visit` with the number of marks before the crash. Returns the number of states.
size_t for_each_crash(const std::vector<FileCall>& calls,
                      const std::function<void(const std::string& folder, size_t marks)>& visit);

}  // namespace apportion
