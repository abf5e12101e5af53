// Collectives of a group of one rank: every operation is the identity. See collectives.h.
#include <memory>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {

namespace {

class LocalCollectives : public Collectives {
 public:
  int size() const override { return 1; }
  int group_rank() const override { return 0; }

  void broadcast(at::Tensor&, int root) override { ensure(root == 0, "a group of one has only rank 0"); }
  void send(const at::Tensor&, int) override { throw InternalError("a group of one sends to nobody"); }
  void receive(at::Tensor&, int) override { throw InternalError("a group of one receives from nobody"); }
  std::vector<double> all_gather(const std::vector<double>& values) override { return values; }
  void barrier() override {}
};

}  // namespace

std::unique_ptr<Collectives> make_local_collectives() { return std::make_unique<LocalCollectives>(); }

}  // namespace apportion
