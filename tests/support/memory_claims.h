// A folder's leases and results in memory, following the rules of shared/store/lease.h: for simulations with
// more members than files are fast enough for.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>

#include "coordinator/folder/claims.h"

namespace apportion {

/// What all members see.
struct MemoryFolder {
  double limit_s = 60;
  std::function<double()> now;
  static constexpr size_t nobody = SIZE_MAX;
  struct Entry {
    size_t holder = nobody;
    bool is_done = false;
  };
  std::unordered_map<const Task*, Entry> tasks;  // all members have the same TaskGraph
  std::unordered_map<size_t, double> silent;     // silent members, and since when
  size_t taken_over = 0;

  bool is_gone(size_t member) const {
    if (silent.empty()) return false;
    const auto found = silent.find(member);
    return found != silent.end() && now() > found->second + limit_s;
  }
};

class MemoryClaims : public Claims {
 public:
  MemoryClaims(MemoryFolder& folder, size_t member) : folder_(folder), member_(member) {}

  void look() override {}  // the state is always up to date
  Claim claim(const Task& task) override;
  bool is_elsewhere(const Task& task) override;
  void confirm(const Task& task) override;
  void finished(const Task& task, size_t ranks) override;
  void failed(const Task& task, const std::string& reason, size_t ranks) override;
  void give_back(const Task& task) override;
  void beat() override;
  void stopping() override {}
  void progress(const Task&, const std::string&) override {}

 private:
  void check(const Task* task) const;
  void release(const Task* task);

  MemoryFolder& folder_;
  size_t member_;
  std::set<const Task*> own_;
};

}  // namespace apportion
