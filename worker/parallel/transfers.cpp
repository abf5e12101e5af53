#include "worker/parallel/transfers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "shared/base/error.h"
#include "worker/parallel/parts.h"

namespace apportion {
namespace {

constexpr int64_t message_bytes = int64_t{64} << 20;                    // MPI counts with int
constexpr int64_t sum_scratch = int64_t{8} << 20;                       // floats received and not added yet
constexpr int64_t least_chunk = 1024, most_chunk = int64_t{256} << 10;  // floats of one message of a sum
constexpr int last_tag = 30000;  // every MPI has at least 32767; 0 and those above are the forms' own

enum class Kind { all_gather, reduce_scatter, all_reduce };

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::all_gather:
      return "all_gather";
    case Kind::reduce_scatter:
      return "reduce_scatter";
    case Kind::all_reduce:
      return "all_reduce";
  }
  return "";
}

std::byte* bytes_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

}  // namespace

/// One started operation. `source` is what this rank gives, `target` what it gets; all_reduce uses one tensor
/// for both.
class Operation : public std::enable_shared_from_this<Operation> {
 public:
  Operation(Kind kind, const at::Tensor& source, const at::Tensor& target, Parts parts)
      : kind_(kind),
        source_(source),
        target_(target),
        parts_(std::move(parts)),
        text_(describe(name_of(kind), parts_.total())),
        element_bytes_(static_cast<int64_t>(source.element_size())) {}

  const std::string& text() const { return text_; }
  bool is_abandoned = false;

  void start(Transfers::Line& line);
  void finish();
  /// Call instead of finish(): published data stays, and nothing more is read.
  void abandon();

 private:
  using Floats = std::vector<const float*>;

  int rank() const { return means_.rank; }
  int64_t byte_offset(int peer) const { return parts_.offset(peer) * element_bytes_; }
  int64_t byte_count(int peer) const { return parts_.count(peer) * element_bytes_; }
  /// Whether peers read this rank's whole tensor rather than only its own part.
  bool gives_all() const { return kind_ != Kind::all_gather; }
  Patience patience() const {
    return {text_, means_.timeout_s, [this] { means_.throw_if_aborted(text_); }};
  }

  void publish(uint64_t sequence);
  std::vector<Round> rounds();
  Round gather_round() const;
  Round sum_round();
  bool sum_chunk(int64_t chunk, int64_t chunk_elements);
  const float* node_source(int peer);
  bool node_is_there() const;
  float* sum_target() const;
  void sum_of_node();
  void spread_own_sum();
  void copy_from_node(OperationState state, Patience& patience);
  void drive(size_t rounds);

  Kind kind_;
  at::Tensor source_, target_;
  Parts parts_;
  std::string text_;
  int64_t element_bytes_;
  TransferMeans means_;
  std::vector<int> remote_;  // group ranks of other nodes, beginning after this one
  uint64_t sequence_ = 0;
  std::byte* published_ = nullptr;  // what the node's ranks read: source_ or a copy
  at::Tensor scratch_;              // [2, remote ranks, chunk]
  std::shared_ptr<ExchangeDriver::Task> task_;
};

void Operation::start(Transfers::Line& line) {
  means_ = line.means;
  for (int step = 1; step < means_.ranks(); ++step) {
    const int peer = (rank() + step) % means_.ranks();
    if (!std::binary_search(means_.node_ranks.begin(), means_.node_ranks.end(), peer))
      remote_.push_back(peer);
  }
  published_ = bytes_of(source_);
  if (means_.board) publish(line.board_sequence++);
  const int tag = 1 + static_cast<int>(line.message_sequence++ % last_tag);
  if (!means_.driver) return;
  task_ = std::make_shared<ExchangeDriver::Task>(
      ExchangeDriver::Task{Exchange(rounds(), tag), shared_from_this(), nullptr});
  means_.driver->start(task_);
}

void Operation::publish(uint64_t sequence) {
  sequence_ = sequence;
  Patience waiting = patience();
  std::byte* staged = nullptr;
  Post post;
  std::strncpy(post.operation.data(), name_of(kind_), post.operation.size() - 1);
  post.elements = parts_.total();
  post.element_bytes = element_bytes_;
  const int64_t bytes = gives_all() ? parts_.total() * element_bytes_ : byte_count(rank());
  post.source = means_.board->locate(published_, bytes, sequence, &staged);
  if (staged) {
    // Copies only what the node's ranks will read: the whole part when gathering, their parts when adding.
    for (int peer : means_.node_ranks) {
      if (gives_all() && peer != rank()) {
        copy_bytes(staged + byte_offset(peer), published_ + byte_offset(peer), byte_count(peer));
      }
    }
    if (!gives_all()) copy_bytes(staged, published_, bytes);
    published_ = staged;
  }
  means_.board->post(sequence, post, waiting);
}

std::vector<Round> Operation::rounds() {
  std::vector<Round> list;
  if (kind_ != Kind::all_gather) list.push_back(sum_round());
  if (kind_ != Kind::reduce_scatter) list.push_back(gather_round());
  return list;
}

/// Sends the own part to every remote rank and receives theirs. Step s sends s ranks up and receives from s
/// ranks below, so no rank is everybody's first.
Round Operation::gather_round() const {
  auto cut = [](std::vector<PeerMessage>& list, int peer, std::byte* data, int64_t bytes) {
    for (int64_t done = 0; done < bytes; done += message_bytes) {
      list.push_back({peer, data + done, std::min(message_bytes, bytes - done)});
    }
  };
  const bool is_own_apart = kind_ == Kind::all_gather;
  std::byte* own = bytes_of(source_) + (is_own_apart ? 0 : byte_offset(rank()));
  Round round;
  for (int peer : remote_) cut(round.sends, peer, own, byte_count(rank()));
  for (auto peer = remote_.rbegin(); peer != remote_.rend(); ++peer) {
    cut(round.receives, *peer, bytes_of(target_) + byte_offset(*peer), byte_count(*peer));
  }
  return round;
}

/// Sends every part in chunks, chunk by chunk to all ranks, so a rank has all contributions to its first
/// chunk early and needs memory for only two chunks.
Round Operation::sum_round() {
  const int64_t chunk = std::clamp(sum_scratch / (2 * means_.ranks()), least_chunk, most_chunk);
  auto* source = source_.data_ptr<float>();
  const auto remote = static_cast<int64_t>(remote_.size());
  scratch_ = at::empty({2, remote, std::min(chunk, parts_.count(rank()))}, at::kFloat);
  auto* scratch = scratch_.data_ptr<float>();
  int64_t most = 0;
  for (int peer = 0; peer < means_.ranks(); ++peer) most = std::max(most, parts_.count(peer));
  auto message = [&](int peer, float* data, int64_t elements) {
    return PeerMessage{peer, reinterpret_cast<std::byte*>(data), elements * element_bytes_};
  };
  Round round;
  for (int64_t begin = 0; begin < most; begin += chunk) {
    for (int peer : remote_) {
      const int64_t elements = std::min(chunk, parts_.count(peer) - begin);
      if (elements > 0) round.sends.push_back(message(peer, source + parts_.offset(peer) + begin, elements));
    }
    const int64_t elements = std::min(chunk, parts_.count(rank()) - begin);
    if (elements <= 0) continue;
    for (int64_t i = remote - 1; i >= 0; --i) {
      float* place = scratch + ((begin / chunk) % 2 * remote + i) * scratch_.size(2);
      round.receives.push_back(message(remote_[static_cast<size_t>(i)], place, elements));
    }
  }
  round.group_size = remote;
  round.sum = [this, chunk](int64_t group) { return sum_chunk(group, chunk); };
  return round;
}

bool Operation::node_is_there() const {
  if (!means_.board) return true;
  for (int peer = 0; peer < means_.board->size(); ++peer) {
    if (!means_.board->reached(peer, OperationState::posted, sequence_)) return false;
  }
  return true;
}

/// Where the contribution of `peer`, on this node, to this rank's part begins.
const float* Operation::node_source(int peer) {
  if (peer == rank()) return source_.data_ptr<float>() + parts_.offset(rank());
  const auto& ranks = means_.node_ranks;
  const auto index = std::lower_bound(ranks.begin(), ranks.end(), peer) - ranks.begin();
  const std::byte* all = means_.board->data(static_cast<int>(index), sequence_);
  return reinterpret_cast<const float*>(all) + parts_.offset(rank());
}

/// Where this rank's part of the sum goes; for all_reduce, where the node's ranks will read it.
float* Operation::sum_target() const {
  if (kind_ == Kind::reduce_scatter) return target_.data_ptr<float>();
  return reinterpret_cast<float*>(published_) + parts_.offset(rank());
}

/// Adds what has arrived for chunk `chunk` of this rank's part; called by whoever drives the exchange.
bool Operation::sum_chunk(int64_t chunk, int64_t chunk_elements) {
  if (!node_is_there()) return false;
  const int64_t begin = chunk * chunk_elements;
  const auto remote = static_cast<int64_t>(remote_.size());
  Floats sources(static_cast<size_t>(means_.ranks()));
  for (int peer : means_.node_ranks) sources[static_cast<size_t>(peer)] = node_source(peer) + begin;
  for (int64_t i = 0; i < remote; ++i) {
    sources[static_cast<size_t>(remote_[static_cast<size_t>(i)])] =
        scratch_.data_ptr<float>() + (chunk % 2 * remote + i) * scratch_.size(2);
  }
  const int64_t elements = std::min(chunk_elements, parts_.count(rank()) - begin);
  tree_sum_into(sum_target() + begin, sources, elements, LoopThreads::one);
  if (kind_ == Kind::all_reduce) {
    float* own = target_.data_ptr<float>() + parts_.offset(rank()) + begin;
    if (own != sum_target() + begin) {
      std::memcpy(own, sum_target() + begin, static_cast<size_t>(elements * element_bytes_));
    }
  }
  return true;
}

void Operation::sum_of_node() {
  Floats sources;
  for (int peer : means_.node_ranks) sources.push_back(node_source(peer));
  tree_sum_into(sum_target(), sources, parts_.count(rank()), LoopThreads::all);
  if (kind_ == Kind::all_reduce) {
    copy_bytes(bytes_of(target_) + byte_offset(rank()), sum_target(), byte_count(rank()));
  }
}

/// Copies the parts of this node's other ranks into target_, each once its rank has reached `state`.
void Operation::copy_from_node(OperationState state, Patience& waiting) {
  const int ranks = means_.board->size();
  for (int step = 1; step < ranks; ++step) {
    const int index = (means_.board->index() + step) % ranks;
    const int peer = means_.node_ranks[static_cast<size_t>(index)];
    means_.board->await(index, state, sequence_, waiting);
    means_.board->check_same_call(index, sequence_);
    const std::byte* data = means_.board->data(index, sequence_);
    copy_bytes(bytes_of(target_) + byte_offset(peer), data + (gives_all() ? byte_offset(peer) : 0),
               byte_count(peer));
  }
}

/// Drives the exchange until it has done `rounds` rounds.
void Operation::drive(size_t rounds) {
  auto rounds_done = [this] {
    try {
      return means_.driver->advance(*task_);
    } catch (const RankError& error) {
      throw RankError(error.rank(), text_ + ": " + error.what());
    }
  };
  Patience waiting = patience();
  while (rounds_done() < rounds) {
    const int peer = means_.driver->missing(*task_);
    waiting.pause(peer < 0 ? -1 : means_.world_ranks[static_cast<size_t>(peer)]);
  }
}

void Operation::finish() {
  Patience waiting = patience();
  NodeBoard* board = means_.board.get();
  if (kind_ == Kind::all_gather) {
    copy_bytes(bytes_of(target_) + byte_offset(rank()), source_.data_ptr(), byte_count(rank()));
    if (board) copy_from_node(OperationState::posted, waiting);
  } else {
    if (board) {
      board->await_all(OperationState::posted, sequence_, waiting);
      for (int peer = 0; peer < board->size(); ++peer) board->check_same_call(peer, sequence_);
    }
    task_ ? drive(1) : sum_of_node();
    if (kind_ == Kind::all_reduce && board) {
      board->mark(OperationState::reduced, sequence_);
      copy_from_node(OperationState::reduced, waiting);
    }
  }
  if (task_) drive(kind_ == Kind::all_reduce ? 2 : 1);
  if (!board) return;
  board->mark(OperationState::finished, sequence_);
  // Memory that others read in place belongs to the caller again when wait() returns.
  if (published_ == bytes_of(source_)) board->await_all(OperationState::finished, sequence_, waiting);
}

void Operation::abandon() {
  if (!means_.board) return;
  means_.board->keep_for_others(std::make_shared<at::Tensor>(source_));
  means_.board->mark(OperationState::finished, sequence_);
}

namespace {

class StartedTransfer : public Transfer {
 public:
  StartedTransfer(std::shared_ptr<Transfers::Line> line, std::shared_ptr<Operation> operation)
      : line_(std::move(line)), operation_(std::move(operation)) {}

  ~StartedTransfer() override {
    if (!operation_) return;
    operation_->is_abandoned = true;
    line_->drop_abandoned();
  }
  StartedTransfer(const StartedTransfer&) = delete;
  StartedTransfer& operator=(const StartedTransfer&) = delete;

  void wait() override {
    if (!operation_) return;
    line_->finish_through(operation_.get());
    operation_.reset();
  }

 private:
  std::shared_ptr<Transfers::Line> line_;
  std::shared_ptr<Operation> operation_;
};

}  // namespace

void Transfers::Line::throw_if_failed(const std::string& operation) const {
  if (!failure.empty()) throw RankError(failed_rank, operation + ": the group failed before: " + failure);
}

void Transfers::Line::finish_through(const Operation* last) {
  const auto is_last = [&](const auto& operation) { return operation.get() == last; };
  if (last) {
    throw_if_failed(last->text());
    if (std::none_of(operations.begin(), operations.end(), is_last)) return;  // ended by a later wait
  }
  while (!operations.empty()) {
    const std::shared_ptr<Operation> operation = operations.front();
    try {
      means.throw_if_aborted(operation->text());
      operation->is_abandoned ? operation->abandon() : operation->finish();
    } catch (const RankError& error) {
      failure = error.what();
      failed_rank = error.rank();
      throw;
    }
    operations.pop_front();
    if (operation.get() == last) return;
  }
}

void Transfers::Line::drop_abandoned() {
  while (!operations.empty() && operations.front()->is_abandoned) {
    operations.front()->abandon();
    operations.pop_front();
  }
}

Transfers::Transfers(TransferMeans means) : line_(std::make_shared<Line>()) {
  line_->means = std::move(means);
}

Transfers::~Transfers() { close(); }

bool Transfers::close() {
  for (const auto& operation : line_->operations) operation->abandon();
  line_->operations.clear();
  if (line_->failure.empty()) line_->failure = "this rank has left the group";
  if (line_->means.board) line_->means.board->leave();
  return !line_->means.driver || line_->means.driver->stop();
}

std::unique_ptr<Transfer> Transfers::start(std::shared_ptr<Operation> operation) {
  line_->throw_if_failed(operation->text());
  line_->means.throw_if_aborted(operation->text());
  if (line_->operations.size() >= NodeBoard::most_in_flight) {
    line_->finish_through(line_->operations.front().get());
  }
  operation->start(*line_);
  line_->operations.push_back(operation);
  return std::make_unique<StartedTransfer>(line_, std::move(operation));
}

std::unique_ptr<Transfer> Transfers::start_all_gather(const at::Tensor& own, const at::Tensor& all,
                                                      const std::vector<int64_t>& counts) {
  Parts parts(counts);
  check_parts(own, all, parts, line_->means.ranks(), line_->means.rank);
  return start(std::make_shared<Operation>(Kind::all_gather, own, all, std::move(parts)));
}

std::unique_ptr<Transfer> Transfers::start_reduce_scatter(const at::Tensor& all, const at::Tensor& own,
                                                          const std::vector<int64_t>& counts) {
  Parts parts(counts);
  check_float(all);
  check_parts(own, all, parts, line_->means.ranks(), line_->means.rank);
  return start(std::make_shared<Operation>(Kind::reduce_scatter, all, own, std::move(parts)));
}

std::unique_ptr<Transfer> Transfers::start_all_reduce(const at::Tensor& tensor) {
  check_float(tensor);
  return start(std::make_shared<Operation>(Kind::all_reduce, tensor, tensor,
                                           Parts::even(tensor.numel(), line_->means.ranks())));
}

void Transfers::abort(const std::string& reason) {
  if (line_->means.board) line_->means.board->abort(reason);
}

at::Tensor Transfers::allocate_shared(int64_t bytes) {
  ensure(bytes >= 0, "shared memory has no negative size");
  const std::string operation = describe("allocate_shared", bytes);
  line_->throw_if_failed(operation);
  line_->means.throw_if_aborted(operation);
  line_->finish_through(nullptr);
  if (!line_->means.board) return at::zeros({bytes}, at::kByte);
  Patience waiting(operation, line_->means.timeout_s, [&] { line_->means.throw_if_aborted(operation); });
  std::shared_ptr<void> memory = line_->means.board->allocate(bytes, line_->board_sequence++, waiting);
  return at::from_blob(
      memory.get(), {bytes}, [memory](void*) mutable { memory.reset(); }, at::kByte);
}

}  // namespace apportion
