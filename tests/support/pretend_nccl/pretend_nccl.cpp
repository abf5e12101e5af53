#include "tests/support/pretend_nccl/pretend_nccl.h"

#include <nccl.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tests/support/pretend_nccl/pretend_stream.h"

namespace {

using apportion::note_pretend_fault;
using apportion::PretendStream;

enum class Kind { broadcast, all_gather, send, receive };

struct Operation {
  Kind kind;
  const void* from;
  void* to;
  size_t count;
  ncclDataType_t type;
  int peer;  // or the root
  uint64_t number = 0;

  size_t bytes() const {
    constexpr size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
    return count * sizes[type];
  }
  std::string text() const {
    static const char* const names[] = {"broadcast", "all_gather", "send", "receive"};
    return std::string(names[static_cast<int>(kind)]) + " of " + std::to_string(count) + " of type " +
           std::to_string(type) + ", peer " + std::to_string(peer);
  }
  bool matches(const Operation& other) const {
    return kind == other.kind && count == other.count && type == other.type && peer == other.peer;
  }
};

/// One collective operation, with the ranks whose streams have reached it.
struct Meeting {
  std::vector<std::optional<Operation>> ranks;
  int done = 0;  // ranks that need no other memory any more
};

struct Message {
  std::optional<Operation> send, receive;
  bool is_moved = false;
};

/// What the ranks of a communicator share.
struct Clique {
  std::vector<ncclComm*> members;
  std::map<uint64_t, Meeting> meetings;
  std::map<std::pair<int, int>, std::map<uint64_t, Message>> messages;  // by sender and receiver
  int arrived = 0, finalizing = 0;
};

enum class State { forming, ready, finalizing, finalized, destroyed, aborted };

}  // namespace

struct ncclComm {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  State state = State::forming;
  bool is_busy = false;  // has not taken all calls yet
  int queued = 0;        // launches that have not ended
  ncclResult_t error = ncclSuccess;
  uint64_t collectives = 0;
  std::map<int, uint64_t> sends, receives;
  std::shared_ptr<PretendStream> taker;  // does what NCCL does after a non-blocking call returns

  bool is_dead() const { return state == State::destroyed || state == State::aborted; }
  bool has_work() const { return is_busy || queued > 0; }
};

namespace {

struct World {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t ids = 0;
  std::map<uint64_t, std::shared_ptr<Clique>> cliques;  // by id
  std::list<ncclComm> communicators;
  apportion::NcclCounts counts;
  std::function<void(int)> watcher;
};
World& world() {
  static auto* all = new World;
  return *all;
}

struct Call {
  ncclComm* communicator;
  PretendStream* stream;
  Operation operation;
};
thread_local int group_depth = 0;
thread_local std::vector<Call> group_calls;

/// Records a fault and returns `result` for the call.
ncclResult_t wrong(const std::string& text, ncclResult_t result = ncclInvalidUsage) {
  note_pretend_fault(text);
  return result;
}

/// Why no call may be made now; empty if it may.
std::string reason_against(const ncclComm* communicator) {
  if (!communicator) return "no communicator";
  switch (communicator->state) {
    case State::forming:
      return "a communicator that is not there yet";
    case State::finalizing:
    case State::finalized:
      return "a finalized communicator";
    case State::destroyed:
      return "a destroyed communicator";
    case State::aborted:
      return "an aborted communicator";
    case State::ready:
      break;
  }
  return communicator->is_busy ? "a communicator that has not taken the calls before" : "";
}

/// Checks a meeting that all ranks have reached; false if they made different calls.
bool is_in_order(Clique& clique, Meeting& meeting) {
  const Operation& first = *meeting.ranks.front();
  for (size_t rank = 1; rank < meeting.ranks.size(); ++rank) {
    if (meeting.ranks[rank]->matches(first)) continue;
    note_pretend_fault("rank 0 is in " + first.text() + ", rank " + std::to_string(rank) + " in " +
                       meeting.ranks[rank]->text());
    for (ncclComm* member : clique.members) member->error = ncclInternalError;
    return false;
  }
  return true;
}

void move_bytes(void* to, const void* from, size_t bytes) {
  if (to != from && bytes > 0) std::memmove(to, from, bytes);
}

/// Does this rank's part of a collective operation that all have reached.
void take_part(const Meeting& meeting, const Operation& mine) {
  if (mine.kind == Kind::broadcast)
    return move_bytes(mine.to, meeting.ranks[static_cast<size_t>(mine.peer)]->from, mine.bytes());
  for (size_t rank = 0; rank < meeting.ranks.size(); ++rank) {
    move_bytes(static_cast<char*>(mine.to) + rank * mine.bytes(), meeting.ranks[rank]->from, mine.bytes());
  }
}

/// What a stream does when it reaches a launch: all of its operations at once.
class Launch {
 public:
  Launch(ncclComm* communicator, std::vector<Operation> operations)
      : communicator_(communicator), clique_(*communicator->clique), operations_(std::move(operations)) {}

  void run() {
    std::unique_lock lock(world().mutex);
    parts_done_.assign(operations_.size(), false);
    for (const Operation& operation : operations_) post(operation);
    world().changed.notify_all();
    world().changed.wait(lock, [this] { return communicator_->is_dead() || is_done(); });
    --communicator_->queued;
    world().changed.notify_all();
  }

 private:
  Message& message_of(const Operation& operation) {
    const bool sends = operation.kind == Kind::send;
    const int from = sends ? communicator_->rank : operation.peer;
    const int to = sends ? operation.peer : communicator_->rank;
    return clique_.messages[{from, to}][operation.number];
  }

  void post(const Operation& operation) {
    if (operation.kind == Kind::send) {
      message_of(operation).send = operation;
    } else if (operation.kind == Kind::receive) {
      message_of(operation).receive = operation;
    } else {
      Meeting& meeting = clique_.meetings[operation.number];
      meeting.ranks.resize(clique_.members.size());
      meeting.ranks[static_cast<size_t>(communicator_->rank)] = operation;
    }
  }

  /// Looks again after each message that it has moved: a rank's message to itself is two operations.
  bool is_done() {
    bool all = false;
    do {
      has_moved_ = false;
      all = true;
      for (size_t i = 0; i < operations_.size(); ++i) all &= is_done(i);
    } while (has_moved_);
    return all;
  }

  bool is_done(size_t i) {
    const Operation& mine = operations_[i];
    if (mine.kind == Kind::send) return message_of(mine).is_moved;
    if (mine.kind == Kind::receive) return receive(mine);
    Meeting& meeting = clique_.meetings[mine.number];
    const bool all_here = std::all_of(meeting.ranks.begin(), meeting.ranks.end(),
                                      [](const auto& operation) { return operation.has_value(); });
    if (!all_here) return false;
    if (!parts_done_[i]) {
      for (const ncclComm* member : clique_.members) {
        if (member->is_dead()) return false;  // its memory may be reused
      }
      if (communicator_->error != ncclSuccess || !is_in_order(clique_, meeting)) return false;
      take_part(meeting, mine);
      parts_done_[i] = true;
      ++meeting.done;
      has_moved_ = true;
      world().changed.notify_all();
    }
    return meeting.done == static_cast<int>(meeting.ranks.size());
  }

  bool receive(const Operation& mine) {
    Message& message = message_of(mine);
    if (message.is_moved) return true;
    if (!message.send || communicator_->error != ncclSuccess) return false;
    if (clique_.members[static_cast<size_t>(mine.peer)]->is_dead()) return false;
    if (message.send->count != mine.count || message.send->type != mine.type) {
      note_pretend_fault("a " + message.send->text() + " met a " + mine.text());
      communicator_->error = ncclInternalError;
      return false;
    }
    move_bytes(mine.to, message.send->from, mine.bytes());
    message.is_moved = true;
    has_moved_ = true;
    world().changed.notify_all();
    return true;
  }

  ncclComm* communicator_;
  Clique& clique_;
  std::vector<Operation> operations_;
  std::vector<bool> parts_done_;  // of collective operations
  bool has_moved_ = false;
};

/// Submits one call, or those of a group: numbers them now and puts them into their streams later.
ncclResult_t submit(std::vector<Call> calls) {
  std::map<ncclComm*, std::vector<std::pair<PretendStream*, std::vector<Operation>>>> launches;
  std::lock_guard lock(world().mutex);
  for (Call& call : calls) {
    ncclComm& communicator = *call.communicator;
    Operation& operation = call.operation;
    const bool is_message = operation.kind == Kind::send || operation.kind == Kind::receive;
    if (!is_message && operation.count == 0) continue;  // as NCCL does
    operation.number = !is_message                    ? communicator.collectives++
                       : operation.kind == Kind::send ? communicator.sends[operation.peer]++
                                                      : communicator.receives[operation.peer]++;
    auto& streams = launches[&communicator];
    if (streams.empty() || streams.back().first != call.stream) streams.emplace_back(call.stream, 0);
    streams.back().second.push_back(operation);
  }
  if (launches.empty()) return ncclSuccess;
  for (auto& [communicator, streams] : launches) {
    communicator->is_busy = true;
    communicator->taker->put([owner = communicator, streams = std::move(streams)] {
      std::lock_guard taking(world().mutex);
      for (const auto& [stream, operations] : streams) {
        ++owner->queued;
        stream->put([launch = std::make_shared<Launch>(owner, operations)] { launch->run(); });
      }
      owner->is_busy = false;
      world().changed.notify_all();
    });
  }
  return ncclInProgress;
}

ncclResult_t call(ncclComm* communicator, cudaStream_t stream, const Operation& operation) {
  {
    std::lock_guard lock(world().mutex);
    const std::string reason = reason_against(communicator);
    if (!reason.empty()) return wrong("ncclXxx (" + operation.text() + ") on " + reason);
    const auto ranks = static_cast<int>(communicator->clique->members.size());
    if (operation.peer < 0 || operation.peer >= ranks)
      return wrong(operation.text() + ": no such rank", ncclInvalidArgument);
    if (communicator->error != ncclSuccess) return communicator->error;
  }
  const Call made = {communicator, reinterpret_cast<PretendStream*>(stream), operation};
  if (group_depth > 0) {
    group_calls.push_back(made);
    return ncclSuccess;
  }
  if ((operation.kind == Kind::send || operation.kind == Kind::receive) &&
      operation.peer == communicator->rank) {
    return wrong("a rank's message to itself is half of a group");
  }
  return submit({made});
}

void look_for_the_end(Clique& clique) {
  if (clique.finalizing < static_cast<int>(clique.members.size())) return;
  for (const ncclComm* member : clique.members) {
    if (member->has_work()) return;
  }
  for (ncclComm* member : clique.members) {
    if (member->state == State::finalizing) member->state = State::finalized;
  }
}

}  // namespace

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::lock_guard lock(world().mutex);
  const uint64_t number = ++world().ids;
  std::memset(id->internal, 0xFE, sizeof(id->internal));
  std::memcpy(id->internal, &number, sizeof(number));
  world().cliques[number] = std::make_shared<Clique>();
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* made, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  uint64_t number = 0;
  std::memcpy(&number, id.internal, sizeof(number));
  std::lock_guard lock(world().mutex);
  if (!config || config->blocking != 0) return wrong("only communicators that do not block are pretended");
  if (!world().cliques.contains(number) || id.internal[sizeof(id.internal) - 1] != '\xFE')
    return wrong("an id that ncclGetUniqueId has not made", ncclInvalidArgument);
  auto clique = world().cliques[number];
  if (clique->members.empty()) clique->members.resize(static_cast<size_t>(ranks));
  if (static_cast<int>(clique->members.size()) != ranks || rank < 0 || rank >= ranks ||
      clique->members[static_cast<size_t>(rank)]) {
    return wrong("rank " + std::to_string(rank) + " of " + std::to_string(ranks) + " is no new member");
  }
  ncclComm& mine = world().communicators.emplace_back();
  mine.clique = clique;
  mine.rank = rank;
  mine.taker = apportion::make_pretend_stream();
  clique->members[static_cast<size_t>(rank)] = &mine;
  ++world().counts.made;
  *made = &mine;
  if (++clique->arrived == ranks) {
    for (ncclComm* member : clique->members) {
      member->taker->put([member] {
        std::lock_guard forming(world().mutex);
        if (member->state == State::forming) member->state = State::ready;
      });
    }
  }
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* state) {
  std::lock_guard lock(world().mutex);
  if (!communicator || communicator->is_dead()) return wrong("ncclCommGetAsyncError on what is gone");
  if (communicator->state == State::finalizing) look_for_the_end(*communicator->clique);
  const bool in_progress = communicator->is_busy || communicator->state == State::forming ||
                           communicator->state == State::finalizing;
  *state = communicator->error != ncclSuccess ? communicator->error
           : in_progress                      ? ncclInProgress
                                              : ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  std::function<void(int)> watcher;
  {
    std::lock_guard lock(world().mutex);
    if (!communicator || communicator->is_dead()) return wrong("ncclCommAbort on what is gone");
    ++world().counts.aborted;
    for (const ncclComm* member : communicator->clique->members) {
      if (!member || !member->has_work()) continue;
      ++world().counts.aborted_inside;
      break;
    }
    communicator->state = State::aborted;
    world().changed.notify_all();
    watcher = world().watcher;
  }
  if (watcher) watcher(communicator->rank);
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) {
  std::lock_guard lock(world().mutex);
  const std::string reason = reason_against(communicator);
  if (!reason.empty()) return wrong("ncclCommFinalize on " + reason);
  communicator->state = State::finalizing;
  ++communicator->clique->finalizing;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  std::lock_guard lock(world().mutex);
  if (!communicator || communicator->is_dead()) return wrong("ncclCommDestroy on what is gone");
  if (communicator->has_work()) note_pretend_fault("a communicator was destroyed with work in flight");
  if (communicator->state != State::finalized)
    note_pretend_fault("a communicator was destroyed that was not finalized on all ranks");
  communicator->state = State::destroyed;
  ++world().counts.destroyed;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return wrong("a group was ended that nobody had started");
  if (--group_depth > 0) return ncclSuccess;
  return submit(std::exchange(group_calls, {}));
}

ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::broadcast, from, to, count, type, root});
}

ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  return call(communicator, stream, {Kind::all_gather, from, to, count, type, 0});
}

ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer, ncclComm_t communicator,
                      cudaStream_t stream) {
  return call(communicator, stream, {Kind::send, from, nullptr, count, type, peer});
}

ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t communicator,
                      cudaStream_t stream) {
  return call(communicator, stream, {Kind::receive, nullptr, to, count, type, peer});
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "a peer is gone" : "an error of the pretended NCCL";
}

const char* ncclGetLastError(ncclComm_t /*communicator*/) { return "said by the pretended NCCL"; }

}  // extern "C"

namespace apportion {

NcclCounts pretend_nccl_counts() {
  std::lock_guard lock(world().mutex);
  return world().counts;
}

void reset_pretend_nccl() {
  std::lock_guard lock(world().mutex);
  for (const ncclComm& communicator : world().communicators) {
    if (!communicator.is_dead()) note_pretend_fault("a communicator was left behind");
  }
  world().communicators.clear();
  world().cliques.clear();
  world().counts = {};
  world().watcher = nullptr;
}

void watch_nccl_aborts(std::function<void(int rank)> watcher) {
  std::lock_guard lock(world().mutex);
  world().watcher = std::move(watcher);
}

void break_pretend_nccl() {
  std::lock_guard lock(world().mutex);
  for (ncclComm& communicator : world().communicators) communicator.error = ncclRemoteError;
  world().changed.notify_all();
}

}  // namespace apportion
