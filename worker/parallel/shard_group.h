// A few frozen tensors that are needed together (a transformer block's linear layers, a chunk of the
// embedding), packed into one run of bytes that the ranks of a shard group hold together. gather starts, get
// waits, release frees. The model decides which groups there are and in which order they are used.
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

/// Where a base lies. `ranks` hold it together; null: this rank alone has all of it. Ranks of one node that
/// share memory keep one copy there (`shared`, uint8 with room for all groups), and nothing moves.
/// `resident`: gathered tensors stay until drop(). With BasePlace::file a rank reads the rows of its part
/// again at each gather and keeps nothing in between.
struct BaseLayout {
  Collectives* ranks = nullptr;
  bool resident = false;
  BasePlace place = BasePlace::memory;
};

/// Bytes of frozen base alive on this rank: its parts, gathered groups, groups in flight, and this rank's
/// part of memory that a node's ranks share. `peak` is the high-water mark since the last reset.
struct BaseMemory {
  int64_t live = 0, peak = 0;
};
BaseMemory base_memory();
void reset_base_memory_peak();

/// Bytes of the base outside shard groups (unpacked weights), counted in base_memory() while this lives.
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
  /// packed run, of which rank r holds the 64-byte lines [r n / R, (r + 1) n / R). With `shared` (of
  /// packed_bytes bytes) the run lies there, and a barrier must follow before the first get(). With
  /// BasePlace::file `rows` is called at each gather as long as the group lives.
  ShardGroup(std::vector<std::vector<int64_t>> sizes, at::ScalarType type, at::Device device,
             const BaseLayout& layout, const at::Tensor& shared, const Rows& rows);
  ~ShardGroup();
  ShardGroup(const ShardGroup&) = delete;
  ShardGroup& operator=(const ShardGroup&) = delete;

  /// Length of the packed run.
  static int64_t packed_bytes(const std::vector<std::vector<int64_t>>& sizes, at::ScalarType type);

  /// Starts gathering unless already started. Collective, in the same order of groups on every rank.
  void gather();
  /// Waits for the tensors, which are valid until release(). Gathers first if nobody has. Collective like
  /// gather().
  const std::vector<at::Tensor>& get();
  /// Frees gathered tensors, unless the base is resident.
  void release();
  /// Frees gathered tensors in any case.
  void drop();

  /// Whether all bytes are here already, so that get() moves nothing.
  bool is_whole() const { return !tensors_.empty(); }

  /// This rank's part of the run, [n] in the group's type. After changing it, call drop() on every rank
  /// before the next get(), and a barrier too if the run lies in `shared` memory.
  at::Tensor own() const;
  /// Moves own() into `place`, [n] in the group's type and aligned to 64 bytes, which becomes its memory.
  /// Does nothing and returns false if the run lies in `shared` memory.
  bool move_own(const at::Tensor& place);
  at::ScalarType type() const { return type_; }
  const std::vector<std::vector<int64_t>>& sizes() const { return sizes_; }
  /// How many values of the run each rank holds.
  std::vector<int64_t> counts() const;
  /// Index in the run of each tensor's first value.
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
  Rows rows_;                     // for BasePlace::file
  std::vector<int64_t> counts_;   // bytes of each rank
  int64_t first_ = 0, last_ = 0;  // this rank's bytes of the run
  bool fixed_ = false;            // whole from the start: alone or shared
  at::Tensor own_, run_;          // uint8
  std::vector<at::Tensor> tensors_;
  std::unique_ptr<Transfer> transfer_;
  int64_t counted_ = 0;  // bytes counted in base_memory(), without the gathered run
};

/// A group of trained tensors: its name in checkpoints, and its initial rows.
struct TrainedGroup {
  std::string name;
  ShardGroup* group;
  ShardGroup::Rows rows;
};

}  // namespace apportion
