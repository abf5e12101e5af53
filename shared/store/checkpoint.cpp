// Finding, checking, reading and completing checkpoints; see checkpoint.h.
#include "shared/store/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr const char* step_prefix = "step-";

/// A file that cannot be read means a damaged checkpoint, not the user's mistake.
template <typename Read>
auto reading(const std::string& path, const Read& read) {
  try {
    return read();
  } catch (const UserError& error) {
    throw DataError(path, 0, error.what());
  }
}

std::string read_whole(const std::string& path) {
  return reading(path, [&] { return read_file(path); });
}

struct Parts {
  std::vector<Manifest> manifests;   // by rank
  std::vector<std::string> digests;  // of the manifest files
};

/// Reads the manifests of all ranks and checks that the data files have the sizes they state. `expected` are
/// the manifests' digests; empty when there are none to compare with.
Parts read_parts(const std::string& path, uint64_t step, uint64_t ranks,
                 const std::vector<std::string>& expected) {
  Parts parts;
  for (uint64_t rank = 0; rank < ranks; ++rank) {
    const std::string file = manifest_path(path, rank, ranks);
    const std::string bytes = read_whole(file);
    parts.digests.push_back(sha256(bytes));
    if (!expected.empty() && parts.digests.back() != expected[rank]) {
      throw DataError(file, 0, "its SHA-256 is not the one in COMPLETE: the file is damaged");
    }
    Manifest manifest = parse_manifest(bytes, file);
    if (manifest.step != step || manifest.rank != rank || manifest.ranks != ranks) {
      throw DataError(file, 0,
                      fmt::format("it says step {}, rank {} of {}; its name says step {}, rank {} of {}",
                                  manifest.step, manifest.rank, manifest.ranks, step, rank, ranks));
    }
    const std::string data = data_path(path, rank, ranks);
    const uint64_t size = reading(data, [&] { return file_size(data); });
    if (size != manifest.data_bytes()) {
      throw DataError(
          data, std::min(size, manifest.data_bytes()),
          fmt::format("the file has {} bytes; its manifest says {}", size, manifest.data_bytes()));
    }
    parts.manifests.push_back(std::move(manifest));
  }
  return parts;
}

/// Whether the pieces hold every row once.
void check_cover(const StoredTensor& stored) {
  uint64_t next = 0;
  const std::string name = printable(stored.tensor.name);
  for (const StoredTensor::Piece& piece : stored.pieces) {
    if (piece.place.first == next) {
      next = piece.place.last;
      continue;
    }
    throw DataError(
        piece.file, piece.place.offset,
        fmt::format("rows of tensor '{}' {}: the ones before end at {}, these begin at {}", name,
                    piece.place.first < next ? "appear twice" : "are missing", next, piece.place.first));
  }
  if (next == stored.tensor.rows()) return;
  throw DataError(
      stored.pieces.back().file, 0,
      fmt::format("rows of tensor '{}' are missing: there are {} of {}", name, next, stored.tensor.rows()));
}

/// The tensors that the ranks' slices make up. Throws DataError when they do not fit.
std::map<std::string, StoredTensor> assemble(const std::string& path,
                                             const std::vector<Manifest>& manifests) {
  std::map<std::string, StoredTensor> tensors;
  for (const Manifest& manifest : manifests) {
    const std::string file = data_path(path, manifest.rank, manifest.ranks);
    for (const SlicePlace& place : manifest.slices) {
      auto [entry, added] = tensors.try_emplace(place.tensor.name);
      if (added) entry->second.tensor = place.tensor;
      if (entry->second.tensor != place.tensor) {
        throw DataError(manifest_path(path, manifest.rank, manifest.ranks), 0,
                        "tensor '" + printable(place.tensor.name) +
                            "' has another type or shape than in the manifest of a rank before");
      }
      entry->second.pieces.push_back({file, place});
    }
  }
  for (auto& [name, stored] : tensors) {
    // An empty piece holds no row and would only blur the order.
    const bool has_rows = stored.tensor.rows() > 0;
    std::erase_if(stored.pieces, [has_rows](const StoredTensor::Piece& piece) {
      return has_rows && piece.place.first == piece.place.last;
    });
    if (stored.pieces.empty()) {
      throw DataError(path, 0, "tensor '" + printable(name) + "' has rows, and no rank wrote one");
    }
    std::stable_sort(stored.pieces.begin(), stored.pieces.end(),
                     [](const auto& a, const auto& b) { return a.place.first < b.place.first; });
    check_cover(stored);
  }
  return tensors;
}

/// Removes COMPLETE first, so that what an interrupted removal leaves is not complete.
void remove_checkpoint(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(path + completion_name, error);
  remove_directory(path);
}

/// Removes all checkpoints before `step` except the newest complete one.
void prune(const std::string& folder, uint64_t step) {
  bool found = false;
  for (uint64_t older : checkpoint_steps(folder)) {
    if (older >= step) continue;
    const std::string path = checkpoint_path(folder, older);
    const bool keep = !found && path_exists(path + completion_name);
    found = found || keep;
    if (!keep) remove_checkpoint(path);
  }
}

}  // namespace

std::string checkpoint_path(const std::string& folder, uint64_t step) {
  return fmt::format("{}/{}{:08}", folder, step_prefix, step);
}

std::string data_path(const std::string& path, uint64_t rank, uint64_t ranks) {
  return fmt::format("{}/rank-{}-of-{}.bin", path, rank, ranks);
}

std::string manifest_path(const std::string& path, uint64_t rank, uint64_t ranks) {
  return fmt::format("{}/rank-{}-of-{}.json", path, rank, ranks);
}

std::vector<uint64_t> checkpoint_steps(const std::string& folder) {
  std::vector<uint64_t> steps;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    uint64_t step = 0;
    if (name.starts_with(step_prefix) && parse_integer(name.substr(std::string(step_prefix).size()), step) &&
        checkpoint_path(folder, step) == folder + "/" + name) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end(), std::greater<>());
  return steps;
}

CheckpointReader::CheckpointReader(const std::string& folder, uint64_t step, const std::string& identity)
    : path_(checkpoint_path(folder, step)) {
  const std::string file = path_ + completion_name;
  if (!path_exists(file))
    throw DataError(file, 0, "the file is missing: the checkpoint was not written to its end");
  const Completion completion = parse_completion(read_whole(file), file);
  if (completion.identity != identity) {
    throw UserError(path_ + " is a checkpoint of task " + printable(completion.identity) + ", not of " +
                    identity + ": remove the folder " + folder + ", or put it back where it came from");
  }
  if (completion.step != step) {
    throw DataError(file, 0,
                    fmt::format("it is of step {}; its folder is of step {}", completion.step, step));
  }
  ranks_ = completion.manifests.size();
  tensors_ = assemble(path_, read_parts(path_, step, ranks_, completion.manifests).manifests);
}

const StoredTensor& CheckpointReader::stored(const std::string& name) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) throw DataError(path_, 0, "there is no tensor '" + name + "'");
  return found->second;
}

const CheckpointTensor& CheckpointReader::tensor(const std::string& name) const {
  return stored(name).tensor;
}

void CheckpointReader::read_rows(const std::string& name, uint64_t first, uint64_t last,
                                 std::span<char> out) {
  const StoredTensor& tensor = stored(name);
  const uint64_t row_bytes = tensor.tensor.row_bytes();
  ensure(first <= last && last <= tensor.tensor.rows() && out.size() == (last - first) * row_bytes,
         "rows are read that the tensor has, into as many bytes");
  for (const StoredTensor::Piece& piece : tensor.pieces) {
    const uint64_t begin = std::max(first, piece.place.first), end = std::min(last, piece.place.last);
    if (begin >= end) continue;
    read_piece(piece, (begin - piece.place.first) * row_bytes,
               out.subspan((begin - first) * row_bytes, (end - begin) * row_bytes));
  }
}

void CheckpointReader::read_piece(const StoredTensor::Piece& piece, uint64_t begin, std::span<char> out) {
  const SlicePlace& place = piece.place;
  std::string block;
  while (!out.empty()) {
    const uint64_t index = begin / digest_block, start = index * digest_block;
    block.resize(std::min(digest_block, place.bytes - start));
    reading(piece.file, [&] { read_file_part(piece.file, place.offset + start, block); });
    bytes_read_ += block.size();
    if (sha256(block) != place.digests[index]) {
      throw DataError(piece.file, place.offset + start,
                      fmt::format("{} bytes of tensor '{}' do not match their SHA-256: the file is damaged",
                                  block.size(), printable(place.tensor.name)));
    }
    const uint64_t count = std::min<uint64_t>(out.size(), start + block.size() - begin);
    std::copy_n(block.data() + (begin - start), count, out.data());
    out = out.subspan(count);
    begin += count;
  }
}

bool is_complete(const std::string& folder, uint64_t step) {
  return is_regular_file(checkpoint_path(folder, step) + completion_name);
}

uint64_t saved_in(const std::string& folder) {
  uint64_t saved = 0;
  for (uint64_t step : checkpoint_steps(folder)) {
    if (is_complete(folder, step)) saved = std::max(saved, step);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) saved += entry.file_size(error);
  }
  return saved;
}

void complete_checkpoint(const std::string& folder, uint64_t step, uint64_t ranks,
                         const std::string& identity, Older older) {
  const std::string path = checkpoint_path(folder, step);
  Parts parts = read_parts(path, step, ranks, {});
  assemble(path, parts.manifests);
  write_file(path + completion_name, encode_completion({identity, step, std::move(parts.digests)}));
  if (older == Older::removed) prune(folder, step);
}

void remove_checkpoints_after(const std::string& folder, uint64_t step) {
  for (uint64_t later : checkpoint_steps(folder)) {
    if (later > step) remove_checkpoint(checkpoint_path(folder, later));
  }
}

}  // namespace apportion
