// Operations between the ranks of a group. Every call is collective (every rank of the group makes it, in the
// same order) unless it says otherwise. Tensors are contiguous, in host memory, or on the GPU with NCCL. A
// call that outlasts the time-out throws RankError naming the operation and, if known, the peer. Sums over
// ranks follow one tree (parts.h), so no result depends on timing, form or algorithm. Sums over micro-batches
// are in gradients.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace apportion {

/// An operation that was started. Its tensors belong to it until wait() has returned: nobody may write to
/// them or read what it writes. Dropping it without wait() is safe for memory and for this rank; ranks that
/// needed more from it than was published fail with a line that names this rank.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Ends the operation; a second call does nothing. Operations end in the order of their starts, as on a
  /// stream: this ends earlier ones too, so ranks may wait in different orders.
  /// Throws RankError after the time-out, after an abort, or when a rank has left.
  virtual void wait() = 0;
};

class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int size() const = 0;
  virtual int group_rank() const = 0;

  /// Copies root's `tensor` (float32) to that of every rank.
  virtual void broadcast(at::Tensor& tensor, int root) = 0;
  /// Point to point, float32: only the two ranks make these calls.
  virtual void send(const at::Tensor& tensor, int to) = 0;
  virtual void receive(at::Tensor& tensor, int from) = 0;
  /// The ranks' values (any number from each), concatenated in the order of group ranks. In host memory.
  virtual std::vector<double> all_gather(const std::vector<double>& values) = 0;
  virtual void barrier() = 0;
  /// A barrier with its own time-out, connect_timeout_s, for ranks that have been loading.
  virtual void meet(double timeout_s) = 0;

  /// `all` receives the ranks' parts in the order of group ranks. Any element type, the same everywhere.
  /// counts[r] is the number of rank r's elements, possibly 0; `own` has counts[group_rank()] elements, `all`
  /// the sum of counts.
  virtual std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                                     const std::vector<int64_t>& counts) = 0;
  /// `own` receives the sum over ranks of this rank's part of their `all`. float32, cut as above. The order
  /// is the binary tree over group ranks of tree_sum_into (parts.h). `all` stays unchanged.
  virtual std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                         const std::vector<int64_t>& counts) = 0;
  /// `tensor` (float32) of every rank becomes the sum over ranks, in the same order: the same bits
  /// everywhere.
  virtual std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor) = 0;

  /// Starts the operation and waits for it.
  void all_gather(const at::Tensor& own, const at::Tensor& all, const std::vector<int64_t>& counts) {
    start_all_gather(own, all, counts)->wait();
  }
  void reduce_scatter(const at::Tensor& all, const at::Tensor& own, const std::vector<int64_t>& counts) {
    start_reduce_scatter(all, own, counts)->wait();
  }
  void all_reduce(const at::Tensor& tensor) { start_all_reduce(tensor)->wait(); }

  /// Not collective: this rank gives up. Running and later operations of every rank, this one too, throw
  /// RankError naming this rank and `reason` (its first 200 bytes). A second call does nothing.
  virtual void abort(const std::string& reason) = 0;
  /// Throws the RankError of an abort that has reached this rank; `operation` names what was about to start.
  virtual void throw_if_aborted(const std::string& operation) = 0;

  /// The group ranks that share memory with this one, ascending, including this one.
  virtual std::vector<int> node_ranks() const = 0;
  /// A uint8 tensor [bytes] of zeros, aligned to 64 bytes, in memory that all ranks of the node see (host
  /// memory in every form). Collective over node_ranks(). The node's other ranks read an operation's source
  /// in place if it lies there and they still hold their tensors of it; other sources are copied once in
  /// addition. Ranks must order their own writes to it (barrier()).
  virtual at::Tensor allocate_shared(int64_t bytes) = 0;
};

/// A group of one: nothing moves.
std::unique_ptr<Collectives> make_local_collectives();

/// For tests: one for every rank of a group whose ranks are threads of this process, each to be used by its
/// thread. Nodes are runs of `ranks_per_node` ranks; messages between nodes take the same code as with MPI.
std::vector<std::unique_ptr<Collectives>> make_threads_collectives(int ranks, int ranks_per_node,
                                                                   double timeout_s);

/// Whether ranks of one machine use its shared memory, or each acts as a node of its own.
enum class NodeSharing { used, ignored };

/// Over MPI, host tensors. `group` lists world ranks in group order; only its members make this call
/// (MPI_Comm_create_group with `tag`). MPI must have been started by rank_group.
std::unique_ptr<Collectives> make_mpi_collectives(const std::vector<int>& group, int tag, double timeout_s,
                                                  NodeSharing sharing = NodeSharing::used);

/// This rank's NCCL communicators that no group uses. Making one takes seconds, so a group that has ended
/// well leaves its communicator here for the next group of the same ranks.
class NcclPool {
 public:
  virtual ~NcclPool() = default;  // aborts its communicators
  /// Ends the communicators here, in order. All ranks of their groups must call it, with nothing in flight.
  virtual void close() = 0;
};
/// close() gives up, and aborts, after `end_timeout_s`. Null in a build without NCCL.
std::shared_ptr<NcclPool> make_nccl_pool(double end_timeout_s);

struct NcclPlace {
  std::shared_ptr<NcclPool> pool;
  std::vector<int> ranks;  // the group's world ranks, the same each time it is formed
  double connect_timeout_s = 0, timeout_s = 0;
};

/// Over NCCL, for CUDA tensors; until there is a communicator, messages go over `control` (host). Throws
/// UserError in a build without NCCL.
std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> control,
                                                   const NcclPlace& place);

/// Which rank of which group one process plays, and what its links would be like.
struct PretendedGroup {
  int rank = 0, ranks = 1, ranks_per_node = 1;
  double bytes_per_s = 1e10, latency_s = 1e-5;
};

/// One process plays one rank, for planning and for shapes on more ranks than are at hand. Operations take
/// only the time of copies, and count the seconds that they would really take (collectives_pretend.cpp has
/// the formulas). Contents: a gathered part is this rank's own, repeated or cut to the part's length (zeros
/// when its own is empty); a sum is this rank's contribution alone; received data is zeros. Tensors on the
/// device `meta` are only counted.
class PretendCollectives : public Collectives {
 public:
  /// Seconds that all operations so far would have taken.
  virtual double pretended_seconds() const = 0;
  /// Bytes that this rank would have received.
  virtual int64_t pretended_bytes() const = 0;
};
std::unique_ptr<PretendCollectives> make_pretend_collectives(const PretendedGroup& group);

}  // namespace apportion
