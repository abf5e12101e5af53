#include "tests/simulated/losing_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

using Kind = FileCall::Kind;

bool is_of_names(const FileCall& call) {
  return call.kind == Kind::make_file || call.kind == Kind::make_folder || call.kind == Kind::rename ||
         call.kind == Kind::link || call.kind == Kind::remove;
}

bool is_of_bytes(const FileCall& call) { return call.kind == Kind::write || call.kind == Kind::resize; }

/// The bytes of files and names in folders while the calls are replayed.
struct Nodes {
  std::map<size_t, std::string> files;
  std::map<size_t, std::map<std::string, size_t>> folders = {{0, {}}};

  void write(const FileCall& call, Fate fate) {
    std::string bytes = call.bytes;
    if (fate == Fate::half) bytes.resize(bytes.size() / 2);
    if (fate == Fate::zeros) bytes.assign(bytes.size(), '\0');
    std::string& file = files[call.node];
    if (file.size() < call.offset + bytes.size()) file.resize(call.offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(call.offset));
  }

  void apply(const FileCall& call, Fate fate) {
    if (call.kind == Kind::write) write(call, fate);
    if (call.kind == Kind::resize) files[call.node].resize(call.offset);
    if (!is_of_names(call)) return;
    if (call.kind == Kind::rename) folders[call.other_folder].erase(call.other_name);
    if (call.kind == Kind::remove) {
      folders[call.folder].erase(call.name);
    } else {
      folders[call.folder][call.name] = call.node;
    }
  }

  void show(size_t folder, const std::string& path, const std::set<size_t>& are_folders,
            DiskImage& image) const {
    const auto names = folders.find(folder);
    if (names == folders.end()) return;
    for (const auto& [name, node] : names->second) {
      if (are_folders.contains(node)) {
        image[path + name] = std::nullopt;
        show(node, path + name + "/", are_folders, image);
      } else {
        const auto file = files.find(node);
        image[path + name] = file == files.end() ? "" : file->second;
      }
    }
  }
};

std::string digest_of(const DiskImage& image, size_t marks) {
  std::string all = std::to_string(marks);
  for (const auto& [path, bytes] : image)
    all += '\n' + path + '\n' + (bytes ? std::to_string(bytes->size()) + ' ' + *bytes : "folder");
  return sha256(all);
}

}  // namespace

LosingDisk::LosingDisk(const std::vector<FileCall>& calls, size_t count) : calls_(calls), count_(count) {
  std::set<size_t> synced;  // after the call at hand
  for (size_t at = count; at-- > 0;) {
    const FileCall& call = calls[at];
    if (call.kind == Kind::sync) synced.insert(call.node);
    const bool sure = is_of_names(call) ? synced.contains(call.folder) && (call.kind != Kind::rename ||
                                                                           synced.contains(call.other_folder))
                                        : synced.contains(call.node);
    if ((is_of_names(call) || is_of_bytes(call)) && !sure) unsure_.push_back(at);
  }
  std::reverse(unsure_.begin(), unsure_.end());
}

bool LosingDisk::is_write(size_t unsure) const { return calls_[unsure_[unsure]].kind == Kind::write; }

DiskImage LosingDisk::image(const std::vector<Fate>& fates) const {
  Nodes nodes;
  std::set<size_t> are_folders;
  for (size_t at = 0, next = 0; at < count_; ++at) {
    if (calls_[at].kind == Kind::make_folder) are_folders.insert(calls_[at].node);
    const bool unsure = next < unsure_.size() && unsure_[next] == at;
    const Fate fate = unsure ? fates[next++] : Fate::kept;
    if (fate != Fate::lost) nodes.apply(calls_[at], fate);
  }
  DiskImage image;
  nodes.show(0, "", are_folders, image);
  return image;
}

std::vector<std::vector<Fate>> all_or_none(const LosingDisk& disk) {
  return {std::vector(disk.unsure(), Fate::kept), std::vector(disk.unsure(), Fate::lost)};
}

std::vector<std::vector<Fate>> fates_to_try(const LosingDisk& disk) {
  constexpr size_t few = 6, drawn = 12;
  const size_t count = disk.unsure();
  std::vector<std::vector<Fate>> all;
  const auto add = [&](const auto& fate_of) {
    all.emplace_back();
    for (size_t call = 0; call < count; ++call) all.back().push_back(fate_of(call));
  };
  for (size_t one = 0; one < count; ++one) {
    add([&](size_t call) { return call == one ? Fate::lost : Fate::kept; });
    add([&](size_t call) { return call == one ? Fate::kept : Fate::lost; });
    for (Fate part : {Fate::half, Fate::zeros}) {
      if (disk.is_write(one)) add([&](size_t call) { return call == one ? part : Fate::kept; });
    }
  }
  for (Fate bytes : {Fate::kept, Fate::lost, Fate::half, Fate::zeros}) {
    for (Fate names : {Fate::kept, Fate::lost})
      add([&](size_t call) { return disk.is_write(call) ? bytes : names; });
  }
  if (count <= few) {
    for (size_t subset = 0; subset < size_t{1} << count; ++subset)
      add([&](size_t call) { return (subset >> call) % 2 == 0 ? Fate::kept : Fate::lost; });
    return all;
  }
  CounterRng rng(count, "losing_disk");
  for (size_t draw = 0; draw < drawn; ++draw) {
    add([&](size_t call) {
      const auto fate = static_cast<Fate>(rng.below(4));
      return disk.is_write(call) || fate == Fate::kept ? fate : Fate::lost;
    });
  }
  return all;
}

void write_image(const DiskImage& image, const std::string& folder) {
  for (const auto& [path, bytes] : image) {
    if (bytes) {
      std::ofstream(folder + "/" + path, std::ios::binary) << *bytes;
    } else {
      std::filesystem::create_directory(folder + "/" + path);
    }
  }
}

size_t for_each_crash(const std::vector<FileCall>& calls,
                      const std::function<void(const std::string& folder, size_t marks)>& visit) {
  std::set<std::string> seen;
  size_t marks = 0;
  for (size_t count = 0; count <= calls.size(); ++count) {
    if (count > 0 && calls[count - 1].kind == Kind::mark) ++marks;
    const LosingDisk disk(calls, count);
    // A later crash may lose whatever this one may: until a sync or mark follows, all or nothing is enough.
    const bool ends =
        count == calls.size() || calls[count].kind == Kind::sync || calls[count].kind == Kind::mark;
    for (const std::vector<Fate>& fates : ends ? fates_to_try(disk) : all_or_none(disk)) {
      const DiskImage image = disk.image(fates);
      if (!seen.insert(digest_of(image, marks)).second) continue;
      TemporaryDirectory directory;
      write_image(image, directory.path());
      visit(directory.path(), marks);
    }
  }
  return seen.size();
}

}  // namespace apportion
