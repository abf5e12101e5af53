// The link thread and its queues; see link_mpi.h. The link thread makes every MPI call here except those that
// make and free the communicator. A message's tag says which end of the receiving rank it is for.
#include "shared/link/link_mpi.h"

#define OMPI_SKIP_MPICXX 1  // the C interface only
#include <mpi.h>

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/link/interrupt.h"
#include "shared/link/mailbox.h"

namespace apportion {

namespace {

enum Tag { to_coordinator = 0, to_worker = 1, interruption = 2 };

constexpr auto poll_pause = std::chrono::milliseconds(1);
constexpr double heartbeat_s = 1;
constexpr double interrupt_grace_s = 2;

void check(int code, const char* operation) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int size = 0;
  MPI_Error_string(code, text, &size);
  throw RankError(-1, std::string("control message, ") + operation + ": " + text);
}

/// The signal that asks to stop, and the rank that was asked.
using Interruption = std::array<int, 2>;

/// A message on its way out; its bytes must stay where they are until MPI is done with them.
struct Outgoing {
  int rank;
  Tag tag;
  std::string bytes;
  MPI_Request request = MPI_REQUEST_NULL;
};

}  // namespace

class MpiLink::Thread {
 public:
  Thread(const RankGroup& ranks, std::function<void(int)> end_process, double stop_wait_s)
      : rank_(ranks.rank()),
        size_(ranks.size()),
        end_process_(std::move(end_process)),
        longest_stop_s_(stop_wait_s + interrupt_grace_s) {
    check(MPI_Comm_dup(MPI_COMM_WORLD, &communicator_), "duplicating the communicator");
    MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);
    thread_ = std::thread([this] { run(); });
  }

  int rank() const { return rank_; }
  Mailbox& mailbox(Tag tag) { return boxes_[tag]; }

  /// May be called from any thread. `from` is the sending end's address.
  void post(int from, int rank, Tag tag, std::string bytes) {
    ensure(rank >= 0 && rank < size_, "a message goes to a rank that exists");
    ensure(bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()),
           "a message is smaller than 2 GiB");
    std::lock_guard lock(mutex_);
    if (failure_) std::rethrow_exception(failure_);
    if (rank == rank_) {
      boxes_[tag].put(from, std::move(bytes));
    } else {
      waiting_.push_back({rank, tag, std::move(bytes)});
    }
  }

  /// Collective: ends the thread after all ranks' messages have arrived.
  void finish() {
    leave_ = Leave::together;
    thread_.join();
    if (!failure_) MPI_Comm_free(&communicator_);
  }

  /// Ends the thread without the others.
  void leave() {
    leave_ = Leave::at_once;
    thread_.join();
  }

 private:
  enum class Leave { no, together, at_once };

  void run() {
    try {
      while (leave_ == Leave::no) {
        watch();
        if (!move_messages()) std::this_thread::sleep_for(poll_pause);
      }
      if (leave_ == Leave::together) leave_together();
    } catch (...) {
      std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      for (Mailbox& box : boxes_) box.fail(failure_);
    }
  }

  /// Returns whether anything moved.
  bool move_messages() {
    bool received = receive_one();
    bool sent = start_sends();
    complete_sends();
    return received || sent;
  }

  bool receive_one() {
    int found = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    MPI_Status status = {};
    check(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, communicator_, &found, &message, &status), "probe");
    if (!found) return false;
    int count = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &count), "count");
    ensure(status.MPI_TAG >= to_coordinator && status.MPI_TAG <= interruption,
           "a control message's tag is known");
    std::string bytes(static_cast<size_t>(count), '\0');
    check(MPI_Mrecv(bytes.data(), count, MPI_BYTE, &message, MPI_STATUS_IGNORE), "receive");
    if (status.MPI_TAG == interruption) {
      Interruption asked = {};
      ensure(bytes.size() == sizeof asked, "an interruption is a signal and a rank");
      std::memcpy(asked.data(), bytes.data(), sizeof asked);
      note_interrupt(asked[0], asked[1]);
      if (noted_by_ < 0) noted_by_ = asked[1];
      return true;
    }
    int from = status.MPI_TAG == to_coordinator ? status.MPI_SOURCE : coordinator_address;
    boxes_[status.MPI_TAG].put(from, std::move(bytes));
    return true;
  }

  bool start_sends() {
    std::deque<Outgoing> starting;
    {
      std::lock_guard lock(mutex_);
      starting.swap(waiting_);
    }
    for (Outgoing& outgoing : starting) {
      Outgoing& sent = sending_.emplace_back(std::move(outgoing));
      check(MPI_Isend(sent.bytes.data(), static_cast<int>(sent.bytes.size()), MPI_BYTE, sent.rank, sent.tag,
                      communicator_, &sent.request),
            "send");
    }
    return !starting.empty();
  }

  void complete_sends() {
    for (auto sent = sending_.begin(); sent != sending_.end();) {
      int done = 0;
      check(MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE), "send");
      sent = done ? sending_.erase(sent) : std::next(sent);
    }
  }

  /// A rank tells rank 0, which tells all.
  void tell_of_interrupt() {
    const Interruption asked = {interrupt_signal(), noted_by_ < 0 ? rank_ : noted_by_};
    std::string bytes(sizeof asked, '\0');
    std::memcpy(bytes.data(), asked.data(), sizeof asked);
    std::lock_guard lock(mutex_);
    if (rank_ != 0) waiting_.push_back({0, interruption, bytes});
    for (int other = 1; rank_ == 0 && other < size_; ++other)
      waiting_.push_back({other, interruption, bytes});
  }

  /// Sends heartbeats and passes on an interruption.
  void watch() {
    double now = seconds_now();
    bool just_interrupted = interrupt_signal() && !interrupted_at_;
    if (now - last_watch_ < heartbeat_s && !just_interrupted) return;
    last_watch_ = now;
    post(rank_, 0, to_coordinator, encode(Heartbeat{}));
    if (just_interrupted) {
      interrupted_at_ = now;
      tell_of_interrupt();
    }
    if (rank_ == 0 || !interrupted_at_) return;  // rank 0's coordinator sees to it itself
    if (now - *interrupted_at_ > longest_stop_s_) end_process_(exit_code_of_interrupt(interrupt_signal()));
  }

  /// No rank leaves before everyone's sends are done: waits at a barrier while messages still move.
  void leave_together() {
    while (start_sends() || !sending_.empty()) {
      receive_one();
      complete_sends();
      std::this_thread::sleep_for(poll_pause);
    }
    MPI_Request barrier = MPI_REQUEST_NULL;
    check(MPI_Ibarrier(communicator_, &barrier), "barrier");
    for (int done = 0; !done;) {
      check(MPI_Test(&barrier, &done, MPI_STATUS_IGNORE), "barrier");
      if (!receive_one()) std::this_thread::sleep_for(poll_pause);
    }
    while (receive_one()) {
    }
  }

  const int rank_, size_;
  std::function<void(int)> end_process_;
  const double longest_stop_s_;
  MPI_Comm communicator_ = MPI_COMM_NULL;
  Mailbox boxes_[2];  // by Tag
  std::mutex mutex_;  // guards waiting_ and failure_
  std::deque<Outgoing> waiting_;
  std::exception_ptr failure_;
  std::atomic<Leave> leave_ = Leave::no;
  std::list<Outgoing> sending_;  // the thread's own, as is everything below
  double last_watch_ = 0;
  std::optional<double> interrupted_at_;
  int noted_by_ = -1;  // the rank whose interruption arrived here; -1: none
  std::thread thread_;
};

namespace {

/// One end; `Thread` is MpiLink's.
template <typename Thread>
class MpiEnd : public Link {
 public:
  MpiEnd(Thread& thread, int own) : thread_(thread), own_(own) {}

  void send(int to, const Message& message) override {
    bool up = to == coordinator_address;
    thread_.post(own_, up ? 0 : to, up ? to_coordinator : to_worker, encode(message));
  }
  std::optional<Received> receive(std::chrono::milliseconds wait) override {
    return thread_.mailbox(own_ == coordinator_address ? to_coordinator : to_worker).take(wait);
  }

 private:
  Thread& thread_;
  int own_;
};

}  // namespace

MpiLink::MpiLink(const RankGroup& ranks, std::function<void(int)> end_process, double stop_wait_s)
    : thread_(std::make_unique<Thread>(ranks, std::move(end_process), stop_wait_s)),
      worker_(std::make_unique<MpiEnd<Thread>>(*thread_, ranks.rank())),
      exceptions_at_start_(std::uncaught_exceptions()) {
  if (ranks.rank() == 0) coordinator_ = std::make_unique<MpiEnd<Thread>>(*thread_, coordinator_address);
}

MpiLink::~MpiLink() {
  if (std::uncaught_exceptions() > exceptions_at_start_) {
    thread_->leave();
  } else {
    thread_->finish();
  }
}

Link& MpiLink::worker() { return *worker_; }

Link& MpiLink::coordinator() {
  ensure(coordinator_ != nullptr, "only rank 0 has the coordinator's end");
  return *coordinator_;
}

}  // namespace apportion
