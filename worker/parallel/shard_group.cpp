#include "worker/parallel/shard_group.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr int64_t line_bytes = 64;

std::atomic<int64_t> live_bytes = 0, peak_bytes = 0;

void count(int64_t bytes) {
  const int64_t live = live_bytes += bytes;
  int64_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
}

int64_t bytes_of(const std::vector<int64_t>& sizes, at::ScalarType type) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()) *
         static_cast<int64_t>(c10::elementSize(type));
}

int64_t whole_lines(int64_t bytes) { return (bytes + line_bytes - 1) / line_bytes * line_bytes; }

}  // namespace

BaseMemory base_memory() { return {live_bytes, peak_bytes}; }
CountedBaseBytes::CountedBaseBytes(int64_t bytes) : bytes_(bytes) { count(bytes_); }
CountedBaseBytes::~CountedBaseBytes() { count(-bytes_); }
void reset_base_memory_peak() { peak_bytes = live_bytes.load(); }

int64_t ShardGroup::packed_bytes(const std::vector<std::vector<int64_t>>& sizes, at::ScalarType type) {
  int64_t bytes = 0;
  for (const auto& tensor : sizes) bytes += whole_lines(bytes_of(tensor, type));
  return bytes;
}

ShardGroup::ShardGroup(std::vector<std::vector<int64_t>> sizes, at::ScalarType type, at::Device device,
                       const BaseLayout& layout, const at::Tensor& shared, const Rows& rows)
    : sizes_(std::move(sizes)), type_(type), layout_(layout), device_(device) {
  const int64_t bytes = packed_bytes(sizes_, type_), lines = bytes / line_bytes;
  const int ranks = layout.ranks ? layout.ranks->size() : 1;
  const int rank = layout.ranks ? layout.ranks->group_rank() : 0;
  auto begin = [&](int r) { return lines * r / ranks * line_bytes; };
  for (int r = 0; r < ranks; ++r) counts_.push_back(begin(r + 1) - begin(r));
  first_ = begin(rank);
  last_ = begin(rank + 1);
  if (layout.place == BasePlace::file) {
    rows_ = rows;
    return;
  }
  fixed_ = ranks == 1 || shared.defined();
  counted_ = last_ - first_;
  count(counted_);

  if (shared.defined()) {
    ensure(shared.numel() == bytes, "shared memory has the length of the packed run");
    fill(shared.data_ptr<uint8_t>() + first_, rows);
    view(shared.to(device));
  } else if (fixed_) {
    view(read_own(rows));
  } else {
    own_ = read_own(rows);
  }
}

ShardGroup::~ShardGroup() {
  drop();
  count(-counted_);
}

/// Bytes between tensors are zero, so the run is the same whoever made it.
at::Tensor ShardGroup::read_own(const Rows& rows) const {
  at::Tensor host = at::zeros({last_ - first_}, at::kByte);
  fill(host.data_ptr<uint8_t>(), rows);
  return host.to(device_);
}

void ShardGroup::fill(uint8_t* run, const Rows& rows) const {
  int64_t start = 0;  // of the tensor in the whole run
  for (size_t t = 0; t < sizes_.size(); ++t) {
    const int64_t tensor_rows = sizes_[t].front(), bytes = bytes_of(sizes_[t], type_);
    const int64_t row_bytes = bytes / tensor_rows;
    const int64_t from = std::max(first_ - start, int64_t{0}), to = std::min(last_ - start, bytes);
    if (from < to) {
      const int64_t first_row = from / row_bytes, last_row = (to + row_bytes - 1) / row_bytes;
      at::Tensor part = rows(t, first_row, last_row).to(type_).contiguous();
      ensure(static_cast<int64_t>(part.nbytes()) == (last_row - first_row) * row_bytes,
             "the rows asked for are the rows that came");
      std::memcpy(run + (start + from - first_),
                  static_cast<const uint8_t*>(part.data_ptr()) + (from - first_row * row_bytes),
                  static_cast<size_t>(to - from));
    }
    start += whole_lines(bytes);
  }
}

void ShardGroup::view(const at::Tensor& run) {
  run_ = run;
  int64_t start = 0;
  for (const auto& sizes : sizes_) {
    const int64_t bytes = bytes_of(sizes, type_);
    tensors_.push_back(run.narrow(0, start, bytes).view(type_).view(sizes));
    start += whole_lines(bytes);
  }
}

at::Tensor ShardGroup::own() const {
  return (fixed_ ? run_.narrow(0, first_, last_ - first_) : own_).view(type_);
}

bool ShardGroup::move_own(const at::Tensor& place) {
  if (fixed_ && counts_.size() > 1) return false;
  ensure(place.scalar_type() == type_ && static_cast<int64_t>(place.nbytes()) == last_ - first_,
         "a rank's part of a group moves into memory of its type and length");
  place.copy_(own());
  if (fixed_) {
    tensors_.clear();
    view(place.view(at::kByte));
  } else {
    own_ = place.view(at::kByte);
  }
  return true;
}

std::vector<int64_t> ShardGroup::counts() const {
  std::vector<int64_t> counts;
  for (int64_t bytes : counts_) counts.push_back(bytes / static_cast<int64_t>(c10::elementSize(type_)));
  return counts;
}

std::vector<int64_t> ShardGroup::starts() const {
  std::vector<int64_t> starts;
  int64_t bytes = 0;
  for (const auto& tensor : sizes_) {
    starts.push_back(bytes / static_cast<int64_t>(c10::elementSize(type_)));
    bytes += whole_lines(bytes_of(tensor, type_));
  }
  return starts;
}

void ShardGroup::gather() {
  if (is_whole() || transfer_) return;
  const int64_t bytes = std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
  if (rows_) {
    count(last_ - first_);
    own_ = read_own(rows_);
    if (counts_.size() == 1) return view(own_);
  }
  run_ = at::empty({bytes}, own_.options());
  count(bytes);
  transfer_ = layout_.ranks->start_all_gather(own_, run_, counts_);
}

const std::vector<at::Tensor>& ShardGroup::get() {
  if (is_whole()) return tensors_;
  gather();
  if (is_whole()) return tensors_;  // this rank has all of it
  transfer_->wait();
  transfer_.reset();
  drop_own();
  view(run_);
  return tensors_;
}

void ShardGroup::release() {
  if (!layout_.resident) drop();
}

/// Drops what was read from the file for a gather that has ended.
void ShardGroup::drop_own() {
  if (!rows_ || !own_.defined()) return;
  own_.reset();
  count(first_ - last_);
}

void ShardGroup::drop() {
  if (fixed_ || !run_.defined()) return;
  transfer_.reset();
  const bool is_own = run_.is_same(own_);
  drop_own();
  if (!is_own) count(-run_.numel());
  tensors_.clear();
  run_.reset();
}

}  // namespace apportion
