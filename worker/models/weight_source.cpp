#include "worker/models/weight_source.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/model_files/finite.h"

namespace apportion {
namespace {

std::string spell(const auto& sizes) {
  std::string text = "[";
  for (auto size : sizes) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

bool ends_with(const std::string& name, std::string_view end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

uint64_t bytes_of_row(TensorType type, int64_t columns) {
  const BlockLayout layout = block_layout(type);
  return static_cast<uint64_t>(columns) / layout.elements * layout.bytes;
}

class GgufWeights : public WeightSource {
 public:
  GgufWeights(const Gguf& gguf, const ModelShape& shape)
      : WeightSource(shape), gguf_(gguf), head_dim_(shape.head_dim) {
    ::stat(gguf.path().c_str(), &file_);
  }

  at::Tensor rows(const std::string& name, int64_t first, int64_t last) const override {
    const std::vector<int64_t>& wanted = sizes(name);
    const GgufTensor& tensor = checked(name, first, last);
    if (wanted.size() == 1) {
      at::Tensor all = at::empty(wanted, at::kFloat);
      unpack(tensor, 0, 1, wanted[0], all.data_ptr<float>());
      check_length();
      return all.narrow(0, first, last - first);
    }
    at::Tensor values = at::empty({last - first, wanted[1]}, at::kFloat);
    if (is_permuted(name)) {
      for (int64_t row = first; row < last; ++row)
        unpack(tensor, file_row(row), 1, wanted[1], values[row - first].data_ptr<float>());
    } else {
      unpack(tensor, first, last - first, wanted[1], values.data_ptr<float>());
    }
    check_length();
    return values;
  }

  at::Tensor packed_rows(const std::string& name, int64_t first, int64_t last,
                         TensorType type) const override {
    const GgufTensor& tensor = checked(name, first, last);
    if (tensor.type != type) return WeightSource::packed_rows(name, first, last, type);
    const auto row_bytes = static_cast<int64_t>(bytes_of_row(type, sizes(name)[1]));
    at::Tensor packed = at::empty({last - first, row_bytes}, at::kByte);
    for (int64_t row = first; row < last; ++row) {
      const int64_t from = is_permuted(name) ? file_row(row) : row;
      const std::string_view bytes = rows_of(tensor, from, 1, static_cast<uint64_t>(row_bytes));
      std::memcpy(packed.data_ptr<uint8_t>() + (row - first) * row_bytes, bytes.data(), bytes.size());
    }
    check_length();
    return packed;
  }

 private:
  /// The tensor, which has the model's sizes and these rows.
  const GgufTensor& checked(const std::string& name, int64_t first, int64_t last) const {
    const std::vector<int64_t>& wanted = sizes(name);
    ensure(0 <= first && first <= last && last <= wanted.front(), "a tensor has the rows asked for");
    const GgufTensor& tensor = gguf_.tensor(name);
    if (!std::equal(wanted.begin(), wanted.end(), tensor.shape.begin(), tensor.shape.end(),
                    [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; })) {
      throw DataError(
          gguf_.path(), tensor.offset,
          "tensor " + name + " is " + spell(tensor.shape) + "; the model asks for " + spell(wanted));
    }
    return tensor;
  }

  static bool is_permuted(const std::string& name) {
    return ends_with(name, ".attn_q.weight") || ends_with(name, ".attn_k.weight");
  }

  /// GGUF keeps the q and k rows of llama-family models as [heads, D/2, 2] where Hugging Face has
  /// [heads, 2, D/2] (pairs side by side, for its rotation).
  int64_t file_row(int64_t row) const {
    const int64_t head = row / head_dim_, half = row % head_dim_ / (head_dim_ / 2),
                  pair = row % (head_dim_ / 2);
    return head * head_dim_ + 2 * pair + half;
  }

  /// The file's bytes of these rows, whose values are numbers.
  std::string_view rows_of(const GgufTensor& tensor, int64_t first, int64_t count, uint64_t row_bytes) const {
    const std::string_view bytes = tensor.bytes.substr(static_cast<uint64_t>(first) * row_bytes,
                                                       static_cast<uint64_t>(count) * row_bytes);
    if (const auto element = first_not_finite(tensor.type, bytes)) {
      const uint64_t row_elements = bytes.size() / static_cast<uint64_t>(count) /
                                    block_layout(tensor.type).bytes * block_layout(tensor.type).elements;
      throw DataError(gguf_.path(), tensor.offset,
                      "tensor " + tensor.name + " has a NaN or an infinity in row " +
                          std::to_string(static_cast<uint64_t>(first) + *element / row_elements) +
                          "; the file is damaged or was converted wrongly: take it anew");
    }
    return bytes;
  }

  void unpack(const GgufTensor& tensor, int64_t first, int64_t count, int64_t columns, float* out) const {
    if (count == 0) return;
    const std::string_view bytes = rows_of(tensor, first, count, bytes_of_row(tensor.type, columns));
    dequantize(tensor.type, bytes, static_cast<uint64_t>(count * columns), out);
  }

  /// Of a file that was cut while it is mapped, the rest of the last page reads as zeros; what is further
  /// behind is a bus error (shared/base/bus_error.h).
  void check_length() const {
    struct stat now {};
    const bool same = ::stat(gguf_.path().c_str(), &now) == 0 && now.st_ino == file_.st_ino;
    if (!same || now.st_size >= file_.st_size)
      return;  // another file of this name is not the one that is mapped
    throw DataError(gguf_.path(), static_cast<uint64_t>(now.st_size),
                    "the file became shorter while it was read; put the whole file there and run again");
  }

  const Gguf& gguf_;
  struct stat file_ {};
  const int64_t head_dim_;
};

class SyntheticWeights : public WeightSource {
 public:
  explicit SyntheticWeights(const ModelShape& shape) : WeightSource(shape) {}

  at::Tensor rows(const std::string& name, int64_t first, int64_t last) const override {
    const std::vector<int64_t>& wanted = sizes(name);
    ensure(0 <= first && first <= last && last <= wanted.front(), "a tensor has the rows asked for");
    if (wanted.size() == 1) return at::ones({last - first}, at::kFloat);
    const int64_t columns = wanted[1];
    at::Tensor values = at::empty({last - first, columns}, at::kFloat);
    // Uniform in (-b, b) has the standard deviation b / sqrt(3).
    const auto bound = static_cast<float>(std::sqrt(3.0 / static_cast<double>(columns)));
    const CounterRng rng(0, "synthetic weights\n" + name);
    auto* out = values.data_ptr<float>();
    at::parallel_for(0, last - first, std::max<int64_t>(1, 65536 / columns), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        rng.fill_row(static_cast<uint32_t>(first + row), {out + row * columns, static_cast<size_t>(columns)},
                     bound);
      }
    });
    return values;
  }
};

}  // namespace

WeightSource::WeightSource(const ModelShape& shape) {
  for (const auto& [name, sizes] : tensors_of(shape)) sizes_[name] = {sizes.begin(), sizes.end()};
}

const std::vector<int64_t>& WeightSource::sizes(const std::string& name) const {
  const auto found = sizes_.find(name);
  if (found == sizes_.end()) throw InternalError("a model of this shape has no tensor " + name);
  return found->second;
}

at::Tensor WeightSource::packed_rows(const std::string& name, int64_t first, int64_t last,
                                     TensorType type) const {
  const int64_t columns = sizes(name).at(1);
  const at::Tensor values = rows(name, first, last);
  const auto row_bytes = static_cast<int64_t>(bytes_of_row(type, columns));
  at::Tensor packed = at::empty({last - first, row_bytes}, at::kByte);
  const auto* from = values.data_ptr<float>();
  auto* to = reinterpret_cast<char*>(packed.data_ptr<uint8_t>());
  at::parallel_for(0, last - first, std::max<int64_t>(1, 65536 / columns), [&](int64_t begin, int64_t end) {
    quantize(type, from + begin * columns, static_cast<uint64_t>((end - begin) * columns),
             to + begin * row_bytes);
  });
  return packed;
}

std::unique_ptr<WeightSource> gguf_weights(const Gguf& gguf, const ModelShape& shape) {
  return std::make_unique<GgufWeights>(gguf, shape);
}

std::unique_ptr<WeightSource> synthetic_weights(const ModelShape& shape) {
  return std::make_unique<SyntheticWeights>(shape);
}

}  // namespace apportion
