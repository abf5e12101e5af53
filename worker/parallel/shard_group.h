// A few frozen tensors that are needed together (a transformer block's linear layers, a chunk of the
// embedding), packed into one run of bytes that the ranks of a shard group hold together: gather starts, get
// waits, release frees. Which groups there are and in which order they are used is the model's business.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "worker/parallel/collectives.h"

namespace apportion {

/// Where a base lies. `ranks` are those that hold it together; null: this rank alone has all of it. Ranks of
/// one node that share memory keep one copy there (`shared`, uint8 with room for all groups), and nothing
/// moves. `resident`: what was gathered stays until drop(). With BasePlace::file a rank asks for the rows of
/// its part anew at each gather and keeps nothing in between.
struct BaseLayout {
  Collectives* ranks = nullptr;
  bool resident = false;
  BasePlace place = BasePlace::memory;
};

/// Bytes of frozen base alive on this rank: its parts, gathered groups, groups in flight; of memory that a
/// node's ranks share, this rank's part. The high-water mark is since the last reset.
struct BaseMemory {
  int64_t live = 0, peak = 0;
};
BaseMemory base_memory();
void reset_base_memory_peak();

/// Bytes of the base outside of shard groups (weights that were unpacked), counted in base_memory() while
/// this lives.
class CountedBaseBytes {
 public:
  explicit CountedBaseBytes(int64_t bytes);
  ~CountedBaseBytes();
  CountedBaseBytes(const CountedBaseBytes&) = delete;
  CountedBaseBytes& operator=(const CountedBaseBytes&) = delete;

 private:
  int64_t bytes_;
};

class ShardGroup {
 public:
  /// Rows [first, last) of tensor `tensor`, of any element type; called for this rank's rows only.
  using Rows = std::function<at::Tensor(size_t tensor, int64_t first, int64_t last)>;

  /// Tensors of `sizes` (outermost first) in `type` on `device`; each starts at a multiple of 64 bytes of the
  /// packed run, of which rank r holds the 64-byte lines [r n / R, (r + 1) n / R). With `shared` (as long as
  /// packed_bytes) the run lies there; a barrier has to follow before the first get(). With BasePlace::file
  /// `rows` is called at each gather, as long as the group lives.
  ShardGroup(std::vector<std::vector<int64_t>> sizes, at::ScalarType type, at::Device device,
             const BaseLayout& layout, const at::Tensor& shared, const Rows& rows);
  ~ShardGroup();
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  /// Length of the packed run.
  static int64_t packed_bytes(const std::vector<std::vector<int64_t>>& sizes, at::ScalarType type);

  /// Starts the gathering unless it has been. Collective, in the same order of groups on every rank.
  void gather();
  /// The tensors, valid until release(). Waits; gathers first where nobody did. Collective likewise.
  const std::vector<at::Tensor>& get();
  /// Frees what was gathered, unless the base is resident.
  void release();
  /// Frees what was gathered in any case.
  void drop();

  /// Whether get() moves nothing: all bytes are here already.
  bool is_whole() const { return !tensors_.empty(); }

  /// This rank's part of the run, [n] in the group's type. Who changes it calls drop() on every rank before
  /// the next get(); where `shared` memory holds the run, a barrier too.
  at::Tensor own() const;
  /// Moves own() into `place`, [n] in the group's type at a multiple of 64 bytes, which stays its memory.
  /// False, and nothing happens, where the run lies in `shared` memory.
  bool move_own(const at::Tensor& place);
  at::ScalarType type() const { return type_; }
  const std::vector<std::vector<int64_t>>& sizes() const { return sizes_; }
  /// Values of the run that each rank holds.
  std::vector<int64_t> counts() const;
  /// The value of the run at which each tensor starts.
  std::vector<int64_t> starts() const;

 private:
  void fill(uint8_t* run, const Rows& rows) const;
  at::Tensor read_own(const Rows& rows) const;
  void drop_own();
  void view(const at::Tensor& run);

  std::vector<std::vector<int64_t>> sizes_;
  at::ScalarType type_;
  BaseLayout layout_;
  at::Device device_;
  Rows rows_;                     // of BasePlace::file
  std::vector<int64_t> counts_;   // bytes of each rank
  int64_t first_ = 0, last_ = 0;  // this rank's bytes of the run
  bool fixed_ = false;            // whole from the start: alone or shared
  at::Tensor own_, run_;          // uint8
  std::vector<at::Tensor> tensors_;
  std::unique_ptr<Transfer> transfer_;
  int64_t counted_ = 0;  // bytes in base_memory() besides the gathered run
};

/// A group whose tensors are trained: its name in checkpoints, and the rows that it starts from.
struct TrainedGroup {
  std::string name;
  ShardGroup* group;
  ShardGroup::Rows rows;
};

}  // namespace apportion
