// What the ranks of one node tell each other through memory that all of them see: who has started which
// operation and where its data lie, who has got how far, who has left or aborted. Ranks are processes (memory
// from memfd_create, which the others open through /proc: no name can be left behind, and /dev/shm's limit
// does not apply) or threads of one process. transfers.h has the operations that use it.
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

/// Where a rank's data lie. `position` is an address in the one process, an offset in the node's area number
/// `index`, or an offset in the stage with descriptor `index`, which has `bytes`.
struct Source {
  Place place = Place::process;
  int32_t index = -1;
  int64_t position = 0, bytes = 0;
};

/// A rank's part in one operation. `operation` (our own text), `elements` and `element_bytes` must be the
/// same on every rank.
struct Post {
  std::array<char, 16> operation = {};
  int64_t elements = 0, element_bytes = 0;
  Source source;
};

/// How far a rank has got with an operation: posted it, reduced its own part, finished it.
enum class OperationState { posted, reduced, finished };

/// One rank's view. Operations have numbers 0, 1, 2, ... in the same order on all ranks of the node; a rank
/// finishes them in that order. Await calls throw RankError (see Patience), also when an awaited rank has
/// left or any rank has aborted.
class NodeBoard {
 public:
  /// How many operations can be posted and not yet finished.
  static constexpr uint64_t most_in_flight = 16;

  /// One for each of the threads that are the `ranks` (world ranks, for errors) of a node.
  static std::vector<std::shared_ptr<NodeBoard>> of_threads(const std::vector<int>& ranks);

  /// The board of this process, for rank ranks[index]. open() adds those of the others.
  NodeBoard(std::vector<int> ranks, int index);
  ~NodeBoard();
  NodeBoard(const NodeBoard&) = delete;
  NodeBoard& operator=(const NodeBoard&) = delete;

  /// The process and the descriptor in it that hold this rank's board.
  struct Handle {
    int64_t process = 0, descriptor = -1;
  };
  Handle handle() const { return handles_[static_cast<size_t>(index_)]; }
  /// Returns false when another rank's board cannot be opened (containers without a common /proc).
  bool open(const std::vector<Handle>& handles);

  int size() const { return static_cast<int>(ranks_.size()); }
  int index() const { return index_; }
  int world_rank(int peer) const { return ranks_[static_cast<size_t>(peer)]; }

  /// Announces operation `sequence`. Waits, if necessary, until the ranks have finished operation sequence -
  /// most_in_flight.
  void post(uint64_t sequence, const Post& post, Patience& patience);
  void mark(OperationState state, uint64_t sequence);

  /// Whether `peer` has reached `state` in operation `sequence`.
  bool reached(int peer, OperationState state, uint64_t sequence) const;
  void await(int peer, OperationState state, uint64_t sequence, Patience& patience) const;
  void await_all(OperationState state, uint64_t sequence, Patience& patience) const;
  /// Throws InternalError unless `peer` posted the same call as this rank.
  void check_same_call(int peer, uint64_t sequence) const;

  /// Where `peer`'s data of a posted operation lie in this process; valid while its memory is held.
  const std::byte* data(int peer, uint64_t sequence);
  const Post& posted(int peer, uint64_t sequence) const;

  /// Where the other ranks find this rank's data: in place, or in a stage of `bytes` reserved until all ranks
  /// have finished the operation. In the latter case `staged` receives the address to copy the data to.
  Source locate(const void* memory, int64_t bytes, uint64_t sequence, std::byte** staged);

  /// Keeps memory that other threads may still read in an operation that this rank does not finish.
  void keep_for_others(std::shared_ptr<void> memory);

  /// Zeroed memory shared by all ranks of the node, freed when nobody holds it. Collective; operation
  /// `sequence`.
  std::shared_ptr<void> allocate(int64_t bytes, uint64_t sequence, Patience& patience);

  /// Not collective; see Collectives::abort. Only the first call counts.
  void abort(const std::string& reason);
  /// The rank's last call. If others still have to open one of its stages, it waits for them, a second at
  /// most, and then leaves the stage open until the process ends.
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
  std::mutex mutex_;  // guards areas_ and opened_, which a progress thread reads too
  std::vector<std::weak_ptr<Mapping>> areas_;
  std::map<std::pair<int, int32_t>, Opened> opened_;
};

}  // namespace apportion
