// Checkpoints of an unfinished task: FOLDER/step-NNNNNNNN/ with a data file and a manifest from each rank
// that wrote, and COMPLETE, written last. Here they are found, checked, read at any number of ranks,
// completed and removed; checkpoint_writer.h writes a rank's own files, manifest.h has the JSON, and what a
// task saves is up to worker/train/checkpoint.h. docs/store.md describes the layout for people.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "shared/store/manifest.h"

namespace apportion {

/// FOLDER/step-NNNNNNNN.
std::string checkpoint_path(const std::string& folder, uint64_t step);

/// PATH/rank-R-of-N.bin and PATH/rank-R-of-N.json.
std::string data_path(const std::string& path, uint64_t rank, uint64_t ranks);
std::string manifest_path(const std::string& path, uint64_t rank, uint64_t ranks);

/// The steps of all checkpoints in `folder`, complete or not, newest first; none when there is no folder.
std::vector<uint64_t> checkpoint_steps(const std::string& folder);

/// Follows a checkpoint's path: the file that is written last.
inline constexpr const char* completion_name = "/COMPLETE";

/// Whether that step's checkpoint was completed; does not look into it.
bool is_complete(const std::string& folder, uint64_t step);

/// How far the task has come whose state this folder keeps: the step of its newest complete checkpoint, or
/// the bytes of what was measured (worker/sample/kept_units.h). 0: nothing is kept.
uint64_t saved_in(const std::string& folder);

/// A tensor and where its rows lie.
struct StoredTensor {
  struct Piece {
    std::string file;
    SlicePlace place;
  };
  CheckpointTensor tensor;
  std::vector<Piece> pieces;  // by first row; together all rows, each once
};

/// One complete checkpoint. Opening it reads COMPLETE and the manifests and checks the sizes of the data
/// files; data are read, and checked against their digests, on request.
class CheckpointReader {
 public:
  /// Throws DataError for a checkpoint that is half-written, damaged, or does not fit together, and UserError
  /// for one of a task other than `identity`.
  CheckpointReader(const std::string& folder, uint64_t step, const std::string& identity);

  /// How many ranks wrote it.
  size_t ranks() const { return ranks_; }

  /// The tensor of that name. Throws DataError when there is none.
  const CheckpointTensor& tensor(const std::string& name) const;

  /// Reads rows [first, last) of a tensor into `out`, which has their size. Reads only the digest blocks that
  /// hold part of these rows. Throws DataError when a block is damaged, InternalError for rows that the
  /// tensor does not have.
  void read_rows(const std::string& name, uint64_t first, uint64_t last, std::span<char> out);

  /// Bytes of data files read so far.
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  const StoredTensor& stored(const std::string& name) const;
  /// Bytes [begin, begin + out.size()) of a piece.
  void read_piece(const StoredTensor::Piece& piece, uint64_t begin, std::span<char> out);

  std::string path_;
  size_t ranks_ = 0;
  std::map<std::string, StoredTensor> tensors_;
  uint64_t bytes_read_ = 0;
};

/// kept: for checkpoints that several tasks read and write side by side.
enum class Older { removed, kept };

/// Checks that the files of all `ranks` ranks are there and fit together, writes COMPLETE and, unless they
/// are kept, removes all older checkpoints but the newest complete one. One process calls this, after every
/// rank has written its part. Throws DataError for parts that do not fit, UserError when a file cannot be
/// written.
void complete_checkpoint(const std::string& folder, uint64_t step, uint64_t ranks,
                         const std::string& identity, Older older = Older::removed);

/// Removes checkpoints of steps after `step`: half-written or damaged ones that were passed over. Throws
/// UserError.
void remove_checkpoints_after(const std::string& folder, uint64_t step);

}  // namespace apportion
