#include "shared/model_files/gguf_export/gguf_writer.h"

#include <algorithm>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/model_files/finite.h"
#include "shared/model_files/gguf_names.h"

namespace apportion {
namespace {

constexpr uint64_t alignment = 32;           // what a file has when it does not say
constexpr int64_t values_at_once = 1 << 20;  // packed and written together

uint64_t padded(uint64_t size) { return (size + alignment - 1) / alignment * alignment; }

int64_t rows_of(const PlannedTensor& tensor) { return tensor.sizes.size() == 1 ? 1 : tensor.sizes.front(); }

uint64_t row_bytes_of(const PlannedTensor& tensor) {
  const BlockLayout layout = block_layout(tensor.type);
  return static_cast<uint64_t>(tensor.sizes.back()) / layout.elements * layout.bytes;
}

uint64_t bytes_of(const PlannedTensor& tensor) {
  return static_cast<uint64_t>(rows_of(tensor)) * row_bytes_of(tensor);
}

/// Everything before the tensors' values, up to the place where they begin.
std::string header_of(const GgufMetadata& metadata, const std::vector<PlannedTensor>& tensors) {
  std::string header = "GGUF";
  append_number(header, uint32_t{3});
  append_number(header, uint64_t{tensors.size()});
  append_number(header, metadata.keys());
  header += metadata.bytes();
  uint64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    append_text(header, tensor.name);
    append_number(header, static_cast<uint32_t>(tensor.sizes.size()));
    for (size_t i = tensor.sizes.size(); i-- > 0;)
      append_number(header, static_cast<uint64_t>(tensor.sizes[i]));
    append_number(header, static_cast<uint32_t>(tensor.type));
    append_number(header, offset);
    offset += padded(bytes_of(tensor));
  }
  header.resize(padded(header.size()), '\0');
  return header;
}

}  // namespace

struct GgufFileWriter::File {
  FileWriter writer;
  std::vector<PlannedTensor> tensors;
  size_t written = 0;  // tensors
  std::string packed;

  File(const std::string& path, std::vector<PlannedTensor> planned)
      : writer(path), tensors(std::move(planned)) {}

  /// Writes rows [first, last), which are whole heads when rows are paired.
  void put_rows(const PlannedTensor& tensor, const float* values, int64_t first, int64_t last) {
    const uint64_t row_bytes = row_bytes_of(tensor);
    const auto columns = static_cast<uint64_t>(tensor.sizes.back());
    packed.resize(static_cast<uint64_t>(last - first) * row_bytes);
    for (int64_t row = first; row < last; ++row) {
      const int64_t place = tensor.head_dim > 0 ? paired_row(row, tensor.head_dim) : row;
      quantize(tensor.type, values + static_cast<uint64_t>(row) * columns, columns,
               packed.data() + static_cast<uint64_t>(place - first) * row_bytes);
    }
    if (first_not_finite(tensor.type, packed)) {
      throw UserError("tensor " + tensor.name + " has a value that is not a number or too large for " +
                      type_name(tensor.type) +
                      (tensor.type == TensorType::f32 ? "" : "; --gguf f32 has room for any"));
    }
    writer.write(packed);
  }
};

GgufFileWriter::GgufFileWriter(const std::string& path, const GgufMetadata& metadata,
                               std::vector<PlannedTensor> tensors)
    : file_(std::make_unique<File>(path, std::move(tensors))) {
  const std::string header = header_of(metadata, file_->tensors);
  uint64_t all = header.size();
  for (const PlannedTensor& tensor : file_->tensors) all += padded(bytes_of(tensor));
  file_->writer.require_room(all);
  file_->writer.write(header);
}

GgufFileWriter::~GgufFileWriter() = default;

void GgufFileWriter::add(std::span<const float> values) {
  ensure(file_->written < file_->tensors.size(), "a file has no more tensors than its header");
  const PlannedTensor& tensor = file_->tensors[file_->written];
  const int64_t rows = rows_of(tensor), columns = tensor.sizes.back();
  ensure(values.size() == static_cast<uint64_t>(rows * columns),
         "all values of a tensor are written at once");
  const int64_t together = std::max<int64_t>(tensor.head_dim, 1);
  const int64_t step = std::max<int64_t>(values_at_once / columns / together, 1) * together;
  for (int64_t first = 0; first < rows; first += step)
    file_->put_rows(tensor, values.data(), first, std::min(first + step, rows));
  file_->writer.write(std::string(padded(bytes_of(tensor)) - bytes_of(tensor), '\0'));
  ++file_->written;
}

void GgufFileWriter::finish() {
  ensure(file_->written == file_->tensors.size(), "all tensors of a file are written");
  file_->writer.finish();
}

}  // namespace apportion
