#include "worker/parallel/node_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr size_t alignment = 64;
constexpr double grace_s = 1;
constexpr auto grace_nap = std::chrono::microseconds(50);
enum class Presence : int32_t { present, left, aborted };

int64_t whole_pages(int64_t bytes) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  return std::max<int64_t>(1, (bytes + page - 1) / page) * page;
}

[[noreturn]] void throw_system(const std::string& what, int64_t bytes) {
  throw RankError(-1, what + " of " + std::to_string(bytes) + " bytes for the node: " + std::strerror(errno));
}

[[noreturn]] void throw_not_opened(const Post& post, int rank) {
  const std::string operation =
      std::string(post.operation.data()) + " of " + std::to_string(post.elements) + " numbers";
  throw RankError(rank, with_rank(operation, rank) + ": its shared memory cannot be opened");
}

int create_memory(int64_t bytes) {
  const int descriptor = memfd_create("apportion", MFD_CLOEXEC);
  if (descriptor < 0 || ftruncate(descriptor, bytes) != 0) throw_system("no shared memory", bytes);
  return descriptor;
}

}  // namespace

class Mapping {
 public:
  Mapping(int descriptor, int64_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (data_ == MAP_FAILED) throw_system("no mapping", bytes);
  }
  ~Mapping() { munmap(data_, static_cast<size_t>(bytes_)); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  /// The offset of [memory, memory + bytes) in the mapping, -1 if it lies elsewhere.
  int64_t offset_of(const void* memory, int64_t bytes) const {
    const int64_t offset =
        static_cast<int64_t>(reinterpret_cast<uintptr_t>(memory) - reinterpret_cast<uintptr_t>(data_));
    return offset >= 0 && offset + bytes <= bytes_ ? offset : -1;
  }

 private:
  void* data_;
  int64_t bytes_;
};

/// Written by its rank, read by all. Each counter is one more than the number of the last operation that
/// reached its state.
struct alignas(alignment) NodeBoard::RankBoard {
  std::array<std::atomic<uint64_t>, 3> counters = {};
  std::atomic<int32_t> presence = 0;
  std::array<char, 256> reason = {};
  std::array<Post, most_in_flight> posts = {};

  std::atomic<uint64_t>& counter(OperationState state) { return counters[static_cast<size_t>(state)]; }
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<int32_t>::is_always_lock_free,
              "processes share these");

struct NodeBoard::StageMemory {
  int descriptor = -1;
  int64_t bytes = 0;
  std::shared_ptr<Mapping> mapping;
  uint64_t user = 0;  // one more than the number of the last operation that used it
};

struct NodeBoard::ThreadsMemory {
  explicit ThreadsMemory(size_t ranks) : boards(ranks) {}
  std::vector<RankBoard> boards;
  std::mutex mutex;
  std::vector<std::shared_ptr<void>> kept;
};

std::vector<std::shared_ptr<NodeBoard>> NodeBoard::of_threads(const std::vector<int>& ranks) {
  auto memory = std::make_shared<ThreadsMemory>(ranks.size());
  std::vector<std::shared_ptr<NodeBoard>> all;
  for (size_t i = 0; i < ranks.size(); ++i) {
    all.push_back(std::shared_ptr<NodeBoard>(new NodeBoard(ranks, static_cast<int>(i), memory)));
  }
  return all;
}

NodeBoard::NodeBoard(std::vector<int> ranks, int index, std::shared_ptr<ThreadsMemory> memory)
    : ranks_(std::move(ranks)), index_(index), threads_(std::move(memory)) {
  for (RankBoard& board : threads_->boards) boards_.push_back(&board);
}

NodeBoard::NodeBoard(std::vector<int> ranks, int index)
    : ranks_(std::move(ranks)), index_(index), handles_(ranks_.size()), boards_(ranks_.size()) {
  const int64_t bytes = whole_pages(sizeof(RankBoard));
  const int descriptor = create_memory(bytes);
  handles_[static_cast<size_t>(index)] = {getpid(), descriptor};
  auto mapping = std::make_shared<Mapping>(descriptor, bytes);
  boards_[static_cast<size_t>(index)] = new (mapping->data()) RankBoard;
  mappings_.push_back(std::move(mapping));
}

NodeBoard::~NodeBoard() {
  leave();
  if (!is_one_process()) close(static_cast<int>(handle().descriptor));
}

bool NodeBoard::open(const std::vector<Handle>& handles) {
  handles_ = handles;
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == index_) continue;
    auto mapping =
        open_memory(peer, handles[static_cast<size_t>(peer)].descriptor, whole_pages(sizeof(RankBoard)));
    if (!mapping) return false;
    boards_[static_cast<size_t>(peer)] = std::launder(reinterpret_cast<RankBoard*>(mapping->data()));
    mappings_.push_back(std::move(mapping));
  }
  return true;
}

std::shared_ptr<Mapping> NodeBoard::open_memory(int peer, int64_t descriptor, int64_t bytes) const {
  const std::string path = "/proc/" + std::to_string(handles_[static_cast<size_t>(peer)].process) + "/fd/" +
                           std::to_string(descriptor);
  const int opened = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (opened < 0) return nullptr;
  auto mapping = std::make_shared<Mapping>(opened, bytes);
  close(opened);
  return mapping;
}

void NodeBoard::post(uint64_t sequence, const Post& post, Patience& patience) {
  if (sequence >= most_in_flight) await_all(OperationState::finished, sequence - most_in_flight, patience);
  boards_[static_cast<size_t>(index_)]->posts[sequence % most_in_flight] = post;
  mark(OperationState::posted, sequence);
}

void NodeBoard::mark(OperationState state, uint64_t sequence) {
  boards_[static_cast<size_t>(index_)]->counter(state).store(sequence + 1, std::memory_order_release);
}

bool NodeBoard::reached(int peer, OperationState state, uint64_t sequence) const {
  return boards_[static_cast<size_t>(peer)]->counter(state).load(std::memory_order_acquire) > sequence;
}

void NodeBoard::await(int peer, OperationState state, uint64_t sequence, Patience& patience) const {
  RankBoard& board = *boards_[static_cast<size_t>(peer)];
  while (!reached(peer, state, sequence)) {
    // Read before the counters, so that what a rank did before it left counts.
    const auto presence = static_cast<Presence>(board.presence.load(std::memory_order_acquire));
    const bool is_given_up =
        state == OperationState::reduced && reached(peer, OperationState::finished, sequence);
    if (reached(peer, state, sequence)) return;
    throw_if_aborted(patience.operation());
    if (presence == Presence::left || is_given_up) {
      patience.look();  // throws for an abort on another node that this peer has already seen
      throw RankError(world_rank(peer), with_rank(patience.operation(), world_rank(peer)) +
                                            ": that rank has " +
                                            (is_given_up ? "given the operation up" : "left the group"));
    }
    patience.pause(world_rank(peer));
  }
}

void NodeBoard::await_all(OperationState state, uint64_t sequence, Patience& patience) const {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != index_) await(peer, state, sequence, patience);
  }
}

const Post& NodeBoard::posted(int peer, uint64_t sequence) const {
  return boards_[static_cast<size_t>(peer)]->posts[sequence % most_in_flight];
}

void NodeBoard::check_same_call(int peer, uint64_t sequence) const {
  const Post &mine = posted(index_, sequence), &theirs = posted(peer, sequence);
  if (mine.operation == theirs.operation && mine.elements == theirs.elements &&
      mine.element_bytes == theirs.element_bytes) {
    return;
  }
  auto text = [](const Post& post) {
    return std::string(post.operation.data()) + " of " + std::to_string(post.elements) + " x " +
           std::to_string(post.element_bytes) + " bytes";
  };
  throw InternalError("rank " + std::to_string(world_rank(index_)) + " is in " + text(mine) + ", rank " +
                      std::to_string(world_rank(peer)) + " in " + text(theirs));
}

const std::byte* NodeBoard::data(int peer, uint64_t sequence) {
  const Source& source = posted(peer, sequence).source;
  if (source.place == Place::process) return reinterpret_cast<const std::byte*>(source.position);
  std::lock_guard lock(mutex_);
  if (source.place == Place::area) {
    const auto area = areas_[static_cast<size_t>(source.index)].lock();
    ensure(area != nullptr, "shared memory is held by every rank of the node while one uses it");
    return area->data() + source.position;
  }
  Opened& opened = opened_[{peer, source.index}];
  if (opened.bytes < source.bytes) {
    auto mapping = open_memory(peer, source.index, source.bytes);
    if (!mapping) throw_not_opened(posted(peer, sequence), world_rank(peer));
    opened = {std::move(mapping), source.bytes};
  }
  return opened.mapping->data() + source.position;
}

Source NodeBoard::locate(const void* memory, int64_t bytes, uint64_t sequence, std::byte** staged) {
  *staged = nullptr;
  if (is_one_process())
    return {Place::process, -1, static_cast<int64_t>(reinterpret_cast<uintptr_t>(memory)), 0};
  {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < areas_.size(); ++i) {
      const auto area = areas_[i].lock();
      const int64_t offset = area ? area->offset_of(memory, bytes) : -1;
      if (offset >= 0) return {Place::area, static_cast<int32_t>(i), offset, 0};
    }
  }
  StageMemory& stage = free_stage(bytes);
  stage.user = sequence + 1;
  *staged = stage.mapping->data();
  return {Place::stage, stage.descriptor, 0, stage.bytes};
}

bool NodeBoard::is_free(const StageMemory& stage) const {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != index_ && !reached(peer, OperationState::finished, stage.user - 1)) return false;
  }
  return reached(index_, OperationState::finished, stage.user - 1);
}

/// The first stage whose last operation all ranks have finished, enlarged to `bytes`; a new stage if there is
/// none.
NodeBoard::StageMemory& NodeBoard::free_stage(int64_t bytes) {
  auto stage = std::find_if(stages_.begin(), stages_.end(), [&](const auto& one) { return is_free(one); });
  if (stage == stages_.end()) {
    stages_.push_back({create_memory(0), 0, nullptr, 0});
    stage = stages_.end() - 1;
  }
  if (stage->bytes < bytes || !stage->mapping) {
    stage->mapping.reset();
    stage->bytes = whole_pages(bytes);
    if (ftruncate(stage->descriptor, stage->bytes) != 0) throw_system("no stage", bytes);
    stage->mapping = std::make_shared<Mapping>(stage->descriptor, stage->bytes);
  }
  return *stage;
}

void NodeBoard::keep_for_others(std::shared_ptr<void> memory) {
  if (!is_one_process()) return;
  std::lock_guard lock(threads_->mutex);
  threads_->kept.push_back(std::move(memory));
}

std::shared_ptr<void> NodeBoard::allocate(int64_t bytes, uint64_t sequence, Patience& patience) {
  auto memory = is_one_process() ? share_between_threads(bytes, sequence, patience)
                                 : share_between_processes(bytes, sequence, patience);
  mark(OperationState::finished, sequence);
  await_all(OperationState::finished, sequence, patience);
  return memory;
}

namespace {

Post allocation_post(int64_t bytes, const Source& source) { return {{"allocate_shared"}, bytes, 1, source}; }

}  // namespace

std::shared_ptr<void> NodeBoard::share_between_threads(int64_t bytes, uint64_t sequence, Patience& patience) {
  std::shared_ptr<void> memory;
  if (index_ == 0) {
    const auto size = static_cast<size_t>(whole_pages(bytes));
    void* raw = operator new (size, std::align_val_t{alignment});
    memory = std::shared_ptr<void>(raw, [](void* p) { operator delete (p, std::align_val_t{alignment}); });
    std::memset(raw, 0, size);
  }
  // The other ranks copy rank 0's pointer from its own variable, which lives until all have finished.
  post(sequence,
       allocation_post(bytes,
                       {Place::process, -1, static_cast<int64_t>(reinterpret_cast<uintptr_t>(&memory)), 0}),
       patience);
  await_all(OperationState::posted, sequence, patience);
  check_same_call(0, sequence);
  if (index_ != 0)
    memory = *reinterpret_cast<const std::shared_ptr<void>*>(posted(0, sequence).source.position);
  return memory;
}

std::shared_ptr<void> NodeBoard::share_between_processes(int64_t bytes, uint64_t sequence,
                                                         Patience& patience) {
  const int64_t size = whole_pages(bytes);
  const int descriptor = index_ == 0 ? create_memory(size) : -1;
  std::shared_ptr<Mapping> mapping;
  try {
    if (index_ == 0) mapping = std::make_shared<Mapping>(descriptor, size);
    post(sequence, allocation_post(bytes, {Place::stage, descriptor, 0, size}), patience);
    await_all(OperationState::posted, sequence, patience);
    check_same_call(0, sequence);
    if (index_ != 0) mapping = open_memory(0, posted(0, sequence).source.index, size);
    if (!mapping) throw_not_opened(posted(0, sequence), world_rank(0));
    mark(OperationState::reduced, sequence);  // opened
    if (index_ == 0) await_all(OperationState::reduced, sequence, patience);
  } catch (...) {
    if (descriptor >= 0) close(descriptor);
    throw;
  }
  if (descriptor >= 0) close(descriptor);
  std::lock_guard lock(mutex_);
  areas_.push_back(mapping);
  return {mapping, mapping->data()};
}

void NodeBoard::abort(const std::string& reason) {
  RankBoard& board = *boards_[static_cast<size_t>(index_)];
  if (board.presence.load() != static_cast<int32_t>(Presence::present)) return;
  std::strncpy(board.reason.data(), reason.c_str(), board.reason.size() - 1);
  board.presence.store(static_cast<int32_t>(Presence::aborted), std::memory_order_release);
}

void NodeBoard::leave() {
  auto presence_of = [&](int peer) -> auto& { return boards_[static_cast<size_t>(peer)]->presence; };
  int32_t present = static_cast<int32_t>(Presence::present);
  presence_of(index_).compare_exchange_strong(present, static_cast<int32_t>(Presence::left),
                                              std::memory_order_release);
  auto is_read = [&](const StageMemory& stage) {
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == index_ || presence_of(peer).load() != static_cast<int32_t>(Presence::present)) continue;
      if (!reached(peer, OperationState::finished, stage.user - 1)) return false;
    }
    return true;
  };
  const double start = seconds_now();
  for (const StageMemory& stage : stages_) {
    while (!is_read(stage) && seconds_now() - start < grace_s) std::this_thread::sleep_for(grace_nap);
    if (is_read(stage)) close(stage.descriptor);
  }
  stages_.clear();
}

void NodeBoard::throw_if_aborted(const std::string& operation) const {
  for (int peer = 0; peer < size(); ++peer) {
    const RankBoard& board = *boards_[static_cast<size_t>(peer)];
    if (board.presence.load(std::memory_order_acquire) != static_cast<int32_t>(Presence::aborted)) continue;
    throw RankError(world_rank(peer), operation + ": rank " + std::to_string(world_rank(peer)) +
                                          " aborted: " + board.reason.data());
  }
}

}  // namespace apportion
