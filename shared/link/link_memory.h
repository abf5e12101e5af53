// The link within one process: mailboxes between the coordinator's end and the worker's (in tests several
// workers'). Neither needs nor starts MPI.
#pragma once

#include <memory>
#include <vector>

#include "shared/link/link.h"

namespace apportion {

/// All ends of the control traffic between a coordinator and `workers` workers. Different threads may use the
/// ends, for as long as this lives.
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
