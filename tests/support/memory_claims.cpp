#include "tests/support/memory_claims.h"

namespace apportion {

Claim MemoryClaims::claim(const Task& task) {
  MemoryFolder::Entry& entry = folder_.tasks[&task];
  if (entry.is_done) return Claim::done;
  if (entry.holder != MemoryFolder::nobody && entry.holder != member_) {
    if (!folder_.is_gone(entry.holder)) return Claim::elsewhere;
    ++folder_.taken_over;
  }
  entry.holder = member_;
  own_.insert(&task);
  return Claim::ours;
}

bool MemoryClaims::is_elsewhere(const Task& task) {
  const MemoryFolder::Entry& entry = folder_.tasks[&task];
  return entry.holder != MemoryFolder::nobody && !folder_.is_gone(entry.holder);
}

void MemoryClaims::confirm(const Task& task) { check(&task); }

void MemoryClaims::check(const Task* task) const {
  if (folder_.tasks[task].holder != member_) throw LeaseLost(task->id + " was taken over by another run", 1);
}

void MemoryClaims::release(const Task* task) {
  if (own_.erase(task) == 0) return;
  size_t& holder = folder_.tasks[task].holder;
  if (holder == member_) holder = MemoryFolder::nobody;
}

void MemoryClaims::finished(const Task& task, size_t) {
  folder_.tasks[&task].is_done = true;
  release(&task);
}

void MemoryClaims::failed(const Task& task, const std::string&, size_t) { release(&task); }
void MemoryClaims::give_back(const Task& task) { release(&task); }

void MemoryClaims::beat() {
  for (const Task* task : own_) check(task);
}

}  // namespace apportion
