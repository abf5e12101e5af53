// The link within one process: the coordinator's end and the worker's (in tests several workers'), by
// mailboxes. Nothing of MPI is needed or started.
#pragma once

#include <memory>
#include <vector>

#include "shared/link/link.h"

namespace apportion {

/// All ends of the control traffic between a coordinator and `workers` workers. The ends may be used from
/// different threads, and no longer than this lives.
class MemoryLinks {
 public:
  explicit MemoryLinks(int workers);
  ~MemoryLinks();

  Link& coordinator();
  /// Throws InternalError for a rank that does not exist.
  Link& worker(int rank);

 private:
  struct Boxes;
  std::unique_ptr<Boxes> boxes_;
  std::vector<std::unique_ptr<Link>> ends_;  // the coordinator's, then the workers'
};

}  // namespace apportion
