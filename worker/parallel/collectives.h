// Operations between the ranks of a group. Every call is collective (every rank of the group makes it, in the
// same order) unless it says otherwise. Tensors are contiguous float32 on the device of the backend.
// A call that outlasts the time-out throws RankError naming the operation. Sums are gradients.h's business:
// nothing here adds, so that no result depends on a library's order of summation.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace apportion {

class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int size() const = 0;
  virtual int group_rank() const = 0;

  /// `tensor` of every rank becomes root's.
  virtual void broadcast(at::Tensor& tensor, int root) = 0;
  /// Point to point: only the two ranks make these calls.
  virtual void send(const at::Tensor& tensor, int to) = 0;
  virtual void receive(at::Tensor& tensor, int from) = 0;
  /// The ranks' values (any number from each), concatenated in the order of group ranks. Host memory.
  virtual std::vector<double> all_gather(const std::vector<double>& values) = 0;
  virtual void barrier() = 0;
};

/// A group of one: nothing moves.
std::unique_ptr<Collectives> make_local_collectives();

/// Over MPI, host tensors. `group` lists world ranks in group order; only its members make this call
/// (MPI_Comm_create_group with `tag`). MPI must have been started by rank_group.
std::unique_ptr<Collectives> make_mpi_collectives(const std::vector<int>& group, int tag, double timeout_s);

/// Over NCCL, CUDA tensors; the NCCL id travels over `control` (host). In a build without NCCL: throws
/// UserError.
std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> control, double timeout_s);

}  // namespace apportion
