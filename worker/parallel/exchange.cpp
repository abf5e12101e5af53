#include "worker/parallel/exchange.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace apportion {
namespace {

constexpr size_t sends_in_flight = 8;
constexpr size_t receives_in_flight = 16;  // in a round without sums
constexpr int64_t groups_in_flight = 2;
constexpr auto nap = std::chrono::microseconds(50);

}  // namespace

Exchange::Exchange(std::vector<Round> rounds, int tag) : rounds_(std::move(rounds)), tag_(tag) {}

size_t Exchange::Lane::first_incomplete() const {
  size_t first = started;
  for (const auto& [number, index] : in_flight) first = std::min(first, index);
  return first;
}

bool Exchange::test_lane(Messenger& messenger, Lane& lane) {
  return std::erase_if(lane.in_flight, [&](const auto& entry) { return messenger.test(entry.first); }) > 0;
}

bool Exchange::start_sends(Messenger& messenger) {
  const auto& messages = rounds_[round_].sends;
  bool moved = false;
  while (sends_.started < messages.size() && sends_.in_flight.size() < sends_in_flight) {
    sends_.in_flight.emplace_back(messenger.start_send(messages[sends_.started], tag_), sends_.started);
    ++sends_.started;
    moved = true;
  }
  return moved;
}

bool Exchange::start_receives(Messenger& messenger) {
  const Round& round = rounds_[round_];
  auto may_start = [&] {
    return round.group_size > 0
               ? static_cast<int64_t>(receives_.started) < (summed_ + groups_in_flight) * round.group_size
               : receives_.in_flight.size() < receives_in_flight;
  };
  bool moved = false;
  while (receives_.started < round.receives.size() && may_start()) {
    receives_.in_flight.emplace_back(messenger.start_receive(round.receives[receives_.started], tag_),
                                     receives_.started);
    ++receives_.started;
    moved = true;
  }
  return moved;
}

bool Exchange::sum_groups() {
  const Round& round = rounds_[round_];
  if (round.group_size == 0) return false;
  bool moved = false;
  const auto complete = static_cast<int64_t>(receives_.first_incomplete()) / round.group_size;
  while (summed_ < complete && round.sum(summed_)) {
    ++summed_;
    moved = true;
  }
  return moved;
}

bool Exchange::advance(Messenger& messenger) {
  if (done()) return false;
  bool moved = start_receives(messenger);
  moved |= start_sends(messenger);
  moved |= test_lane(messenger, receives_);
  moved |= test_lane(messenger, sends_);
  moved |= sum_groups();
  const Round& round = rounds_[round_];
  const bool all_summed =
      round.group_size == 0 || summed_ * round.group_size == static_cast<int64_t>(round.receives.size());
  if (all_summed && receives_.first_incomplete() == round.receives.size() &&
      sends_.first_incomplete() == round.sends.size()) {
    ++round_;
    sends_ = {};
    receives_ = {};
    summed_ = 0;
    moved = true;
  }
  return moved;
}

int Exchange::missing() const {
  if (done()) return -1;
  const Round& round = rounds_[round_];
  const size_t receive = receives_.first_incomplete(), send = sends_.first_incomplete();
  if (receive < round.receives.size()) return round.receives[receive].peer;
  return send < round.sends.size() ? round.sends[send].peer : -1;
}

ExchangeDriver::ExchangeDriver(std::shared_ptr<Messenger> messenger) : messenger_(std::move(messenger)) {}

ExchangeDriver::~ExchangeDriver() { stop(); }

bool ExchangeDriver::stop() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (tasks_.empty()) return true;
  new std::vector<std::shared_ptr<Task>>(std::move(tasks_));
  tasks_.clear();
  (void)new std::shared_ptr<Messenger>(messenger_);
  return false;
}

void ExchangeDriver::start(const std::shared_ptr<Task>& task) {
  std::lock_guard lock(mutex_);
  advance_locked(*task);
  if (task->exchange.done() || task->error) return;
  tasks_.push_back(task);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

size_t ExchangeDriver::advance(Task& task) {
  std::lock_guard lock(mutex_);
  advance_locked(task);
  if (task.error) std::rethrow_exception(task.error);
  return task.exchange.rounds_done();
}

int ExchangeDriver::missing(const Task& task) {
  std::lock_guard lock(mutex_);
  return task.exchange.missing();
}

bool ExchangeDriver::advance_locked(Task& task) {
  if (task.error) return false;
  try {
    const bool moved = task.exchange.advance(*messenger_);
    if (task.exchange.done()) task.keep.reset();
    return moved;
  } catch (...) {
    task.error = std::current_exception();
    return false;
  }
}

void ExchangeDriver::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    bool moved = false;
    for (const auto& task : tasks_) moved |= advance_locked(*task);
    // A failed exchange is kept: its messages may still be in flight.
    const auto done = [](const auto& task) { return task->exchange.done(); };
    tasks_.erase(std::remove_if(tasks_.begin(), tasks_.end(), done), tasks_.end());
    lock.unlock();
    if (moved) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
    }
    lock.lock();
  }
}

}  // namespace apportion
