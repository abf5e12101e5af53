// What the ranks of one node tell each other through memory that all of them see: who has started which
// operation and where its data lie, who has got how far, who has left or aborted. Ranks are processes (memory
// of memfd_create, opened by the others through /proc: no name that could be left behind, no limit of
// /dev/shm) or threads of one process. What operations do with it is transfers.h's business.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/parallel/patience.h"

namespace apportion {

/// Shared memory mapped into this process.
class Mapping;

enum class Place : int32_t { process, area, stage };

/// Where a rank's data lie: `position` is an address of the one process, or an offset in the node's area
/// number `index`, or in the stage of descriptor `index`, which has `bytes`.
struct Source {
  Place place = Place::process;
  int32_t index = -1;
  int64_t position = 0, bytes = 0;
};

/// A rank's part in one operation. What must be the same on every rank is in `operation` (a text of ours),
/// `elements` and `element_bytes`.
struct Post {
  std::array<char, 16> operation = {};
  int64_t elements = 0, element_bytes = 0;
  Source source;
};

/// How far ranks are: operation s is posted, its own part is reduced, it is finished.
enum class OperationState { posted, reduced, finished };

/// One rank's view. Operations have numbers 0, 1, 2, ... in the same order on all ranks of the node; a rank
/// finishes them in that order. Await calls throw RankError (see Patience) also when a rank that is waited
/// for has left or any has aborted.
class NodeBoard {
 public:
  /// So many operations can be posted and not finished.
  static constexpr uint64_t most_in_flight = 16;

  /// One for each of the threads that are the `ranks` (world ranks, for errors) of a node.
  static std::vector<std::shared_ptr<NodeBoard>> of_threads(const std::vector<int>& ranks);

  /// This process's, of rank ranks[index]. The others' come by open().
  NodeBoard(std::vector<int> ranks, int index);
  ~NodeBoard();
  NodeBoard(const NodeBoard&) = delete;
  NodeBoard& operator=(const NodeBoard&) = delete;

  /// Whose process, and which of its descriptors, has this rank's board.
  struct Handle {
    int64_t process = 0, descriptor = -1;
  };
  Handle handle() const { return handles_[static_cast<size_t>(index_)]; }
  /// False when one of the other ranks' boards cannot be opened (containers without a common /proc).
  bool open(const std::vector<Handle>& handles);

  int size() const { return static_cast<int>(ranks_.size()); }
  int index() const { return index_; }
  int world_rank(int peer) const { return ranks_[static_cast<size_t>(peer)]; }

  /// Makes operation `sequence` known. Waits, if need be, until the ranks have finished number
  /// sequence - most_in_flight.
  void post(uint64_t sequence, const Post& post, Patience& patience);
  void mark(OperationState state, uint64_t sequence);

  /// Whether `peer` has got so far.
  bool reached(int peer, OperationState state, uint64_t sequence) const;
  void await(int peer, OperationState state, uint64_t sequence, Patience& patience) const;
  void await_all(OperationState state, uint64_t sequence, Patience& patience) const;
  /// Throws InternalError unless `peer` posted the same call as this rank.
  void check_same_call(int peer, uint64_t sequence) const;

  /// Where `peer`'s data of a posted operation are in this process; valid while its memory is held.
  const std::byte* data(int peer, uint64_t sequence);
  const Post& posted(int peer, uint64_t sequence) const;

  /// Where this rank's data are for the others: in place, or in a stage of `bytes` that is this operation's
  /// until all ranks have finished it; then `staged` is where to copy them.
  Source locate(const void* memory, int64_t bytes, uint64_t sequence, std::byte** staged);

  /// Keeps what threads may still read of an operation that this rank does not finish.
  void keep_for_others(std::shared_ptr<void> memory);

  /// Zeroed memory of all ranks of the node, freed when nobody holds it. Collective; operation `sequence`.
  std::shared_ptr<void> allocate(int64_t bytes, uint64_t sequence, Patience& patience);

  /// Not collective; see Collectives::abort. Only the first call counts.
  void abort(const std::string& reason);
  /// The rank's last call. Others may have to open a stage of it yet: waits for them, a second at most, and
  /// otherwise leaves the stage open until the process ends.
  void leave();
  void throw_if_aborted(const std::string& operation) const;

 private:
  struct RankBoard;
  struct StageMemory;
  struct Opened {
    std::shared_ptr<Mapping> mapping;
    int64_t bytes = 0;
  };

  struct ThreadsMemory;
  NodeBoard(std::vector<int> ranks, int index, std::shared_ptr<ThreadsMemory> memory);
  bool is_one_process() const { return threads_ != nullptr; }
  std::shared_ptr<Mapping> open_memory(int peer, int64_t descriptor, int64_t bytes) const;
  std::shared_ptr<void> share_between_threads(int64_t bytes, uint64_t sequence, Patience& patience);
  std::shared_ptr<void> share_between_processes(int64_t bytes, uint64_t sequence, Patience& patience);
  StageMemory& free_stage(int64_t bytes);
  bool is_free(const StageMemory& stage) const;

  std::vector<int> ranks_;
  int index_;
  std::vector<Handle> handles_;
  std::shared_ptr<ThreadsMemory> threads_;  // null for processes
  std::vector<std::shared_ptr<Mapping>> mappings_;
  std::vector<RankBoard*> boards_;
  std::vector<StageMemory> stages_;
  std::mutex mutex_;  // areas_ and opened_: a progress thread looks too
  std::vector<std::weak_ptr<Mapping>> areas_;
  std::map<std::pair<int, int32_t>, Opened> opened_;
};

}  // namespace apportion
