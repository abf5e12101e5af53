#include "shared/model_files/tensor_reader.h"

#include "shared/architecture/block.h"
#include "shared/base/error.h"

namespace apportion {

TensorReader::TensorReader(const ModelShape& shape) : sizes_(tensors_of(shape)) {}

bool TensorReader::read_packed_rows(const std::string&, int64_t, int64_t, TensorType, uint8_t*) const {
  return false;
}

std::optional<TensorType> TensorReader::stored_type(const std::string&) const { return std::nullopt; }

const std::vector<int64_t>& TensorReader::sizes(const std::string& name) const {
  const auto found = sizes_.find(name);
  if (found == sizes_.end()) throw InternalError("a model of this shape has no tensor " + name);
  return found->second;
}

const std::vector<int64_t>& TensorReader::checked_sizes(const std::string& name, int64_t first,
                                                        int64_t last) const {
  const std::vector<int64_t>& wanted = sizes(name);
  ensure(0 <= first && first <= last && last <= wanted.front(), "a tensor has the rows asked for");
  return wanted;
}

uint64_t bytes_of_row(TensorType type, int64_t columns) {
  const BlockLayout layout = block_layout(type);
  return static_cast<uint64_t>(columns) / layout.elements * layout.bytes;
}

}  // namespace apportion
