// A GGUF file's tensors under Hugging Face's names and in its order of rows.
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/gguf_names.h"
#include "shared/model_files/tensor_reader.h"

namespace apportion {
namespace {

class GgufTensors : public TensorReader {
 public:
  GgufTensors(const Gguf& gguf, const ModelShape& shape)
      : TensorReader(shape),
        gguf_(gguf),
        head_dim_(shape.head_dim),
        architecture_(shape.architecture),
        adds_one_(shape.unit_offset) {
    for (const GgufFile& file : gguf.files()) ::stat(file.path().c_str(), &files_[file.path()]);
  }

  void read_rows(const std::string& name, int64_t first, int64_t last, float* out) const override {
    const GgufTensor& tensor = checked(name, first, last);
    const std::vector<int64_t>& wanted = sizes(name);
    if (wanted.size() == 1) {
      // A vector is one row of the file, perhaps in blocks.
      std::vector<float> all(static_cast<size_t>(wanted[0]));
      release_pages(unpack(tensor, 0, 1, wanted[0], all.data()));
      // Such files store norms as 1 + weight, which is what they multiply by.
      if (adds_one_) std::for_each(all.begin(), all.end(), [](float& value) { value -= 1; });
      std::copy(all.begin() + first, all.begin() + last, out);
    } else if (is_permuted(name)) {
      for (int64_t row = first; row < last; ++row)
        unpack(tensor, file_row(row), 1, wanted[1], out + (row - first) * wanted[1]);
      release_heads(tensor, first, last, bytes_of_row(tensor.type, wanted[1]));
    } else {
      release_pages(unpack(tensor, first, last - first, wanted[1], out));
    }
    check_length(tensor.path);
  }

  bool read_packed_rows(const std::string& name, int64_t first, int64_t last, TensorType type,
                        uint8_t* out) const override {
    const GgufTensor& tensor = checked(name, first, last);
    if (tensor.type != type) return false;
    const uint64_t row_bytes = bytes_of_row(type, sizes(name)[1]);
    for (int64_t row = first; row < last; ++row) {
      const int64_t from = is_permuted(name) ? file_row(row) : row;
      const std::string_view bytes = rows_of(tensor, from, 1, row_bytes);
      std::memcpy(out + static_cast<uint64_t>(row - first) * row_bytes, bytes.data(), bytes.size());
    }
    if (is_permuted(name)) {
      release_heads(tensor, first, last, row_bytes);
    } else if (first < last) {
      release_pages(tensor.bytes.substr(static_cast<uint64_t>(first) * row_bytes,
                                        static_cast<uint64_t>(last - first) * row_bytes));
    }
    check_length(tensor.path);
    return true;
  }

  std::optional<TensorType> stored_type(const std::string& name) const override {
    return gguf_tensor(gguf_, name, sizes(name)).type;
  }

 private:
  /// The tensor, after checking its sizes and these rows.
  const GgufTensor& checked(const std::string& name, int64_t first, int64_t last) const {
    return gguf_tensor(gguf_, name, checked_sizes(name, first, last));
  }

  bool is_permuted(const std::string& name) const { return has_paired_rows(architecture_, name); }

  int64_t file_row(int64_t row) const { return paired_row(row, head_dim_); }

  /// The file's bytes of these rows, after checking that their values are numbers.
  std::string_view rows_of(const GgufTensor& tensor, int64_t first, int64_t count, uint64_t row_bytes) const {
    const std::string_view bytes = tensor.bytes.substr(static_cast<uint64_t>(first) * row_bytes,
                                                       static_cast<uint64_t>(count) * row_bytes);
    if (const auto element = first_not_finite(tensor.type, bytes)) {
      const uint64_t row_elements = bytes.size() / static_cast<uint64_t>(count) /
                                    block_layout(tensor.type).bytes * block_layout(tensor.type).elements;
      throw DataError(tensor.path, tensor.offset,
                      "tensor " + tensor.name + " has a NaN or an infinity in row " +
                          std::to_string(static_cast<uint64_t>(first) + *element / row_elements) +
                          "; the file is damaged or was converted wrongly: get it again");
    }
    return bytes;
  }

  /// Returns the bytes that were read.
  std::string_view unpack(const GgufTensor& tensor, int64_t first, int64_t count, int64_t columns,
                          float* out) const {
    if (count == 0) return {};
    const std::string_view bytes = rows_of(tensor, first, count, bytes_of_row(tensor.type, columns));
    dequantize(tensor.type, bytes, static_cast<uint64_t>(count * columns), out);
    return bytes;
  }

  /// Releases the pages of the heads that these rows touch, but no others: other threads read those.
  void release_heads(const GgufTensor& tensor, int64_t first, int64_t last, uint64_t row_bytes) const {
    const auto begin = static_cast<uint64_t>(first / head_dim_ * head_dim_),
               end = static_cast<uint64_t>((last + head_dim_ - 1) / head_dim_ * head_dim_);
    release_pages(tensor.bytes.substr(begin * row_bytes, (end - begin) * row_bytes));
  }

  /// When a file is cut while it is mapped, the rest of its last page reads as zeros; reading further on is a
  /// bus error (shared/base/bus_error.h).
  void check_length(const std::string& path) const {
    const struct stat& file = files_.at(path);
    struct stat now {};
    const bool same = ::stat(path.c_str(), &now) == 0 && now.st_ino == file.st_ino;
    if (!same || now.st_size >= file.st_size) return;  // a new file of this name is not the mapped one
    throw DataError(path, static_cast<uint64_t>(now.st_size),
                    "the file became shorter while it was read; put the whole file there and run again");
  }

  const Gguf& gguf_;
  std::map<std::string, struct stat> files_;
  const int64_t head_dim_;
  const std::string architecture_;
  const bool adds_one_;
};

}  // namespace

std::unique_ptr<TensorReader> gguf_tensors(const Gguf& gguf, const ModelShape& shape) {
  return std::make_unique<GgufTensors>(gguf, shape);
}

}  // namespace apportion
