// What takes the place of collectives_nccl.cpp in a build without NCCL.
#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {

std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> /*control*/,
                                                   double /*timeout_s*/) {
  throw UserError("this program is built without NCCL: configure the preset cuda, or use MPI");
}

}  // namespace apportion
