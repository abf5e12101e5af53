// The operations of Collectives on host memory. They use two means: the main thread copies and sums what
// ranks of its node have published on their NodeBoard, and ExchangeDriver sends and receives messages of
// other nodes while the main thread computes. The forms `threads` and MPI provide the means; this is the
// logic.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/parallel/exchange.h"
#include "worker/parallel/node_board.h"

namespace apportion {

/// Who is in the group, and by which means.
struct TransferMeans {
  int rank = 0;                            // in the group
  std::vector<int> world_ranks;            // by group rank, for errors
  std::vector<int> node_ranks;             // group ranks of this node, ascending, including this one
  std::shared_ptr<NodeBoard> board;        // null when this rank is alone on its node
  std::shared_ptr<ExchangeDriver> driver;  // null when there is only one node
  double timeout_s = 0;
  std::function<void(const std::string& operation)> throw_if_aborted;

  int ranks() const { return static_cast<int>(world_ranks.size()); }
};

class Operation;

/// The operations of one rank in the order of their starts. It may be destroyed before its transfers, and
/// then closes.
class Transfers {
 public:
  explicit Transfers(TransferMeans means);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  std::unique_ptr<Transfer> start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                             const std::vector<int64_t>& counts);
  std::unique_ptr<Transfer> start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                 const std::vector<int64_t>& counts);
  std::unique_ptr<Transfer> start_all_reduce(const at::Tensor& tensor);
  /// Leaves the group; nobody can then wait for remaining transfers. Returns false when messages are still in
  /// flight and will stay so.
  bool close();
  /// Lets the node's ranks see at once that this one gives up.
  void abort(const std::string& reason);
  /// Ends operations started before.
  at::Tensor allocate_shared(int64_t bytes);

  /// Operations in progress, oldest first, and the reason if no more can start.
  struct Line {
    TransferMeans means;
    std::deque<std::shared_ptr<Operation>> operations;
    uint64_t board_sequence = 0, message_sequence = 0;
    std::string failure;
    int failed_rank = -1;

    /// Ends the operations up to `last`; null: all of them.
    void finish_through(const Operation* last);
    /// Drops operations at the front that nobody will wait for.
    void drop_abandoned();
    void throw_if_failed(const std::string& operation) const;
  };

 private:
  std::unique_ptr<Transfer> start(std::shared_ptr<Operation> operation);

  std::shared_ptr<Line> line_;
};

}  // namespace apportion
