// Collectives over MPI between the hosts' memories; see collectives.h. Only non-blocking calls, tested with
// pauses in between: ranks that share cores must not spin, and a peer that is gone must not hang us for ever.
#define OMPI_SKIP_MPICXX 1  // the C interface only
#include <ATen/core/Tensor.h>
#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <numeric>
#include <string>
#include <thread>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/parallel/collectives.h"

namespace apportion {

namespace {

/// MPI counts with int; larger tensors go in parts of this many elements.
constexpr int64_t most_elements = int64_t{1} << 30;
constexpr int point_to_point_tag = 0;
constexpr double eager_s = 0.001;  // so long only the core is yielded; then the thread sleeps between tests
constexpr auto test_pause = std::chrono::microseconds(50);

std::string describe(const char* operation, int64_t elements) {
  return std::string(operation) + " of " + std::to_string(elements) + " numbers";
}

class MpiCollectives : public Collectives {
 public:
  MpiCollectives(const std::vector<int>& group, int tag, double timeout_s)
      : group_(group), timeout_s_(timeout_s), exceptions_at_start_(std::uncaught_exceptions()) {
    MPI_Group world = MPI_GROUP_NULL;
    MPI_Group members = MPI_GROUP_NULL;
    check(MPI_Comm_group(MPI_COMM_WORLD, &world), "forming a group", -1);
    check(MPI_Group_incl(world, static_cast<int>(group.size()), group.data(), &members), "forming a group",
          -1);
    int code = MPI_Comm_create_group(MPI_COMM_WORLD, members, tag, &communicator_);
    MPI_Group_free(&members);
    MPI_Group_free(&world);
    check(code, "forming a group", -1);
    ensure(communicator_ != MPI_COMM_NULL, "only members of a group form it");
    MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(communicator_, &group_rank_);
    MPI_Comm_size(communicator_, &size_);
  }

  ~MpiCollectives() override {
    // While an exception unwinds the others may be elsewhere, and operations may be in flight.
    if (std::uncaught_exceptions() <= exceptions_at_start_) MPI_Comm_free(&communicator_);
  }

  int size() const override { return size_; }
  int group_rank() const override { return group_rank_; }

  void broadcast(at::Tensor& tensor, int root) override {
    check_tensor(tensor);
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("broadcast", tensor.numel());
      check(MPI_Ibcast(data, count, MPI_FLOAT, root, communicator_, &request), operation, root);
      wait(request, operation, group_rank_ == root ? -1 : root);
    });
  }

  void send(const at::Tensor& tensor, int to) override {
    check_tensor(tensor);
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("send", tensor.numel());
      check(MPI_Isend(data, count, MPI_FLOAT, to, point_to_point_tag, communicator_, &request), operation,
            to);
      wait(request, operation, to);
    });
  }

  void receive(at::Tensor& tensor, int from) override {
    check_tensor(tensor);
    for_parts(tensor, [&](float* data, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      std::string operation = describe("receive", tensor.numel());
      check(MPI_Irecv(data, count, MPI_FLOAT, from, point_to_point_tag, communicator_, &request), operation,
            from);
      int received = wait(request, operation, from, AfterTimeout::cancel);
      if (received != count) {
        throw RankError(world_rank(from), operation + ": " + std::to_string(received) + " numbers came");
      }
    });
  }

  std::vector<double> all_gather(const std::vector<double>& values) override {
    std::string operation = describe("all_gather", static_cast<int64_t>(values.size()));
    ensure(values.size() <= static_cast<size_t>(std::numeric_limits<int>::max()),
           "all_gather of fewer than 2^31 numbers");
    int own = static_cast<int>(values.size());
    std::vector<int> counts(static_cast<size_t>(size_));
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Iallgather(&own, 1, MPI_INT, counts.data(), 1, MPI_INT, communicator_, &request), operation,
          -1);
    wait(request, operation, -1);
    int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
    ensure(total <= std::numeric_limits<int>::max(), "all_gather of fewer than 2^31 numbers");
    std::vector<int> offsets(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), offsets.begin(), 0);
    std::vector<double> all(static_cast<size_t>(total));
    check(MPI_Iallgatherv(values.data(), own, MPI_DOUBLE, all.data(), counts.data(), offsets.data(),
                          MPI_DOUBLE, communicator_, &request),
          operation, -1);
    wait(request, operation, -1);
    return all;
  }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(communicator_, &request), "barrier", -1);
    wait(request, "barrier", -1);
  }

 private:
  static void check_tensor(const at::Tensor& tensor) {
    ensure(tensor.is_cpu() && tensor.is_contiguous() && tensor.scalar_type() == at::kFloat,
           "tensors between ranks are contiguous float32 in host memory");
  }

  /// Calls `move(data, count)` for the tensor's parts; once with count 0 for an empty tensor.
  template <typename Move>
  static void for_parts(const at::Tensor& tensor, const Move& move) {
    float* data = tensor.data_ptr<float>();
    int64_t begin = 0;
    do {
      int64_t count = std::min(most_elements, tensor.numel() - begin);
      move(data + begin, static_cast<int>(count));
      begin += count;
    } while (begin < tensor.numel());
  }

  int world_rank(int peer) const { return peer < 0 ? -1 : group_[static_cast<size_t>(peer)]; }

  std::string with_peer(const std::string& operation, int peer) const {
    return peer < 0 ? operation : operation + " with rank " + std::to_string(world_rank(peer));
  }

  void check(int code, const std::string& operation, int peer) const {
    if (code == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = {};
    int size = 0;
    MPI_Error_string(code, text, &size);
    throw RankError(world_rank(peer), with_peer(operation, peer) + ": " + text);
  }

  /// MPI can take back a receive, so that its buffer may go. Other operations stay in flight: a rank that
  /// meets a time-out ends.
  enum class AfterTimeout { leave, cancel };

  /// Waits until the operation is complete; the number of floats that came. `peer` (group rank) is -1 when it
  /// is not known whom we wait for.
  int wait(MPI_Request request, const std::string& operation, int peer,
           AfterTimeout after = AfterTimeout::leave) const {
    double start = seconds_now();
    MPI_Status status = {};
    for (;;) {
      int done = 0;
      check(MPI_Test(&request, &done, &status), operation, peer);
      if (done) break;
      double waited = seconds_now() - start;
      if (waited > timeout_s_) {
        if (after == AfterTimeout::cancel) {
          MPI_Cancel(&request);
          MPI_Wait(&request, MPI_STATUS_IGNORE);
        }
        throw RankError(world_rank(peer), with_peer(operation, peer) + " was not finished after " +
                                              std::to_string(std::lround(waited * 1000)) +
                                              " ms (option timeout_s)");
      }
      if (waited < eager_s) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(test_pause);
      }
    }
    int count = 0;
    MPI_Get_count(&status, MPI_FLOAT, &count);
    return count;
  }

  std::vector<int> group_;
  double timeout_s_;
  int exceptions_at_start_;
  MPI_Comm communicator_ = MPI_COMM_NULL;
  int group_rank_ = 0, size_ = 1;
};

}  // namespace

std::unique_ptr<Collectives> make_mpi_collectives(const std::vector<int>& group, int tag, double timeout_s) {
  return std::make_unique<MpiCollectives>(group, tag, timeout_s);
}

}  // namespace apportion
