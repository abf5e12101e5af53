// Replaces collectives_nccl.cpp in a build without NCCL.
#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {

std::shared_ptr<NcclPool> make_nccl_pool(double /*end_timeout_s*/) { return nullptr; }

std::unique_ptr<Collectives> make_nccl_collectives(std::unique_ptr<Collectives> /*control*/,
                                                   const NcclPlace& /*place*/) {
  throw UserError("this program is built without NCCL: configure the preset cuda, or use MPI");
}

}  // namespace apportion
