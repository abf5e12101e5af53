// The thread that writes a rank's part of a checkpoint; see checkpoint_writer.h.
#include "shared/store/checkpoint_writer.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/store/checkpoint.h"

namespace apportion {
namespace {

std::vector<std::string> digests_of(std::string_view bytes) {
  std::vector<std::string> digests;
  for (uint64_t begin = 0; begin < bytes.size(); begin += digest_block) {
    digests.push_back(sha256(bytes.substr(begin, digest_block)));
  }
  return digests;
}

/// Writes the data file, then the manifest that describes it: any manifest that exists is true.
void write_part(const std::string& path, uint64_t step, uint64_t rank, uint64_t ranks,
                const std::vector<CheckpointSlice>& slices) {
  static constexpr char zeros[slice_alignment] = {};
  Manifest manifest{step, rank, ranks, {}};
  std::vector<std::string_view> parts;
  for (const CheckpointSlice& slice : slices) {
    ensure(slice.first <= slice.last && slice.last <= slice.tensor.rows() &&
               slice.bytes.size() == (slice.last - slice.first) * slice.tensor.row_bytes(),
           "a slice has the bytes of its rows");
    const uint64_t end = manifest.data_bytes(), offset = aligned(end);
    parts.emplace_back(zeros, offset - end);
    parts.emplace_back(slice.bytes);
    manifest.slices.push_back(
        {slice.tensor, slice.first, slice.last, offset, slice.bytes.size(), digests_of(slice.bytes)});
  }
  make_directories(path);
  write_file(data_path(path, rank, ranks), parts);
  write_file(manifest_path(path, rank, ranks), encode_manifest(manifest));
}

}  // namespace

CheckpointWriter::CheckpointWriter(std::string folder, std::string identity, uint64_t rank, uint64_t ranks,
                                   Older older)
    : folder_(std::move(folder)), identity_(std::move(identity)), rank_(rank), ranks_(ranks), older_(older) {}

template <typename Work>
void CheckpointWriter::run(uint64_t step, Work work) {
  wait();
  thread_ = std::async(std::launch::async, [path = checkpoint_path(folder_, step), work = std::move(work)] {
    try {
      work();
    } catch (const StorageError& error) {
      throw StorageError("the checkpoint " + path + " was not written: " + error.what());
    } catch (const std::exception& error) {
      throw UserError("the checkpoint " + path + " was not written: " + error.what());
    }
  });
}

void CheckpointWriter::start(uint64_t step, std::vector<CheckpointSlice> slices) {
  run(step, [path = checkpoint_path(folder_, step), step, rank = rank_, ranks = ranks_,
             slices = std::move(slices)] { write_part(path, step, rank, ranks, slices); });
}

void CheckpointWriter::start_completion(uint64_t step) {
  run(step, [folder = folder_, step, ranks = ranks_, identity = identity_, older = older_] {
    complete_checkpoint(folder, step, ranks, identity, older);
  });
}

bool CheckpointWriter::idle() {
  if (!thread_.valid()) return true;
  if (thread_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
  thread_.get();
  return true;
}

void CheckpointWriter::wait() {
  if (thread_.valid()) thread_.get();
}

}  // namespace apportion
