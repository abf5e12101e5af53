// Checkpoints of a task that is not finished: FOLDER/step-NNNNNNNN/ with a data file and a manifest from each
// rank that wrote, and COMPLETE, written last. Here they are found, checked, read at any number of ranks,
// completed and removed; a rank's own files are written by checkpoint_writer.h, the JSON is manifest.h's, and
// what a task saves is worker/train/checkpoint.h's business. The layout for people is in docs/store.md.
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

/// Behind a checkpoint's path: the file that is written last.
inline constexpr const char* completion_name = "/COMPLETE";

/// Whether that step's was completed; what is in it is not looked at.
bool is_complete(const std::string& folder, uint64_t step);

/// How far a task has come whose state is kept in the folder: the step of its newest complete checkpoint, or
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

/// One complete checkpoint. Opening reads COMPLETE and the manifests and looks at the sizes of the data
/// files; data are read, and checked against their digests, when they are asked for.
class CheckpointReader {
 public:
  /// Throws DataError for a checkpoint that is half-written, damaged, or does not fit together, and UserError
  /// for one of another task than `identity`.
  CheckpointReader(const std::string& folder, uint64_t step, const std::string& identity);

  /// How many ranks wrote it.
  size_t ranks() const { return ranks_; }

  /// The tensor of that name. Throws DataError when there is none.
  const CheckpointTensor& tensor(const std::string& name) const;

  /// Rows [first, last) of a tensor into `out`, whose size is theirs. Reads the digest blocks that hold a
  /// part of these rows and nothing else. Throws DataError when a block is damaged, InternalError for rows
  /// that the tensor has not.
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

/// kept: what several tasks read and write side by side.
enum class Older { removed, kept };

/// Checks that the files of all `ranks` ranks are there and fit together, writes COMPLETE, and unless they
/// are kept removes all older checkpoints but the newest complete one. By one process, after every rank has
/// written its part. Throws DataError for parts that do not fit, UserError when a file cannot be written.
void complete_checkpoint(const std::string& folder, uint64_t step, uint64_t ranks,
                         const std::string& identity, Older older = Older::removed);

/// Removes the checkpoints of later steps than `step`: half-written or damaged ones that were passed over.
/// Throws UserError.
void remove_checkpoints_after(const std::string& folder, uint64_t step);

}  // namespace apportion
