#include "worker/models/weight_source.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

namespace apportion {
namespace {

/// How many rows of `columns` columns are worth a thread.
int64_t rows_of_thread(int64_t columns) { return std::max<int64_t>(1, 65536 / columns); }

}  // namespace

at::Tensor WeightSource::rows(const std::string& name, int64_t first, int64_t last) const {
  std::vector<int64_t> sizes = tensors_->checked_sizes(name, first, last);
  sizes.front() = last - first;
  const int64_t columns = sizes.size() > 1 ? sizes[1] : 1;
  at::Tensor values = at::empty(sizes, at::kFloat);
  auto* out = values.data_ptr<float>();
  at::parallel_for(0, last - first, rows_of_thread(columns), [&](int64_t begin, int64_t end) {
    tensors_->read_rows(name, first + begin, first + end, out + begin * columns);
  });
  return values;
}

at::Tensor WeightSource::packed_rows(const std::string& name, int64_t first, int64_t last,
                                     TensorType type) const {
  const int64_t columns = sizes(name).at(1);
  const auto row_bytes = static_cast<int64_t>(bytes_of_row(type, columns));
  at::Tensor packed = at::empty({last - first, row_bytes}, at::kByte);
  auto* to = packed.data_ptr<uint8_t>();
  if (tensors_->read_packed_rows(name, first, last, type, to)) return packed;
  const at::Tensor values = rows(name, first, last);
  const auto* from = values.data_ptr<float>();
  at::parallel_for(0, last - first, rows_of_thread(columns), [&](int64_t begin, int64_t end) {
    quantize(type, from + begin * columns, static_cast<uint64_t>((end - begin) * columns),
             reinterpret_cast<char*>(to + begin * row_bytes));
  });
  return packed;
}

}  // namespace apportion
