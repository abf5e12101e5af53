// A file system that keeps nothing but what was synced: what may be on it after a crash at any moment, by the
// calls that were made before (file_log.h). Bytes of a file are sure once the file was synced, and names in a
// folder once the folder was; of all else any part may be missing, in any order. This is the least that POSIX
// promises, and less than most file systems keep.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulated/file_log.h"

namespace apportion {

/// What became of a call that was not synced. half: of the bytes that it wrote the first half is there;
/// zeros: as many bytes, all 0.
enum class Fate : uint8_t { kept, lost, half, zeros };

/// What is below the folder, by path from there: a file's bytes, nothing for a folder.
using DiskImage = std::map<std::string, std::optional<std::string>>;

class LosingDisk {
 public:
  /// The disk after the first `count` of the calls.
  LosingDisk(const std::vector<FileCall>& calls, size_t count);

  /// How many calls may be lost.
  size_t unsure() const { return unsure_.size(); }
  /// Whether that one of them writes bytes, which may be there in part.
  bool is_write(size_t unsure) const;
  /// With these fates, one for each.
  DiskImage image(const std::vector<Fate>& fates) const;

 private:
  const std::vector<FileCall>& calls_;
  size_t count_;
  std::vector<size_t> unsure_;  // numbers of calls
};

/// Combinations of fates: all where there are few calls, else each call lost alone, kept alone, and there in
/// part, all of a sort lost, and some that are drawn.
std::vector<std::vector<Fate>> fates_to_try(const LosingDisk& disk);
std::vector<std::vector<Fate>> all_or_none(const LosingDisk& disk);

void write_image(const DiskImage& image, const std::string& folder);

/// Writes each different state that a crash at any moment may leave below a folder of its own, and shows it
/// with the number of marks before the crash. Returns how many there were.
size_t for_each_crash(const std::vector<FileCall>& calls,
                      const std::function<void(const std::string& folder, size_t marks)>& visit);

}  // namespace apportion
