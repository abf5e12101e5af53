// A model's tensors by name and rows, whatever the form of their file: a rank reads only its own. Torch's
// side is worker/models/weight_source.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/architecture/shape.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/quantization.h"

namespace apportion {

class TensorReader {
 public:
  virtual ~TensorReader() = default;

  /// Reads rows [first, last) of the tensor `name` (architecture/block.h) as float32, one after another; for
  /// a vector, its elements. `out` has room for them. Any split of a tensor gives the same values.
  /// Thread-safe. Throws DataError for what the file lacks, InternalError for rows that do not exist.
  virtual void read_rows(const std::string& name, int64_t first, int64_t last, float* out) const = 0;

  /// Whether the file has the matrix in `type`; if so, `out` gets those rows as they are, bytes_of_row each.
  /// Thread-safe; throws as read_rows does.
  virtual bool read_packed_rows(const std::string& name, int64_t first, int64_t last, TensorType type,
                                uint8_t* out) const;

  /// How the file stores the tensor; nothing when there is no file. Throws as read_rows does.
  virtual std::optional<TensorType> stored_type(const std::string& name) const;

  /// All tensors with their sizes, outermost first.
  const std::map<std::string, std::vector<int64_t>>& tensors() const { return sizes_; }
  bool has(const std::string& name) const { return sizes_.contains(name); }
  /// Sizes of the tensor `name`, outermost first. Throws InternalError when the model has none.
  const std::vector<int64_t>& sizes(const std::string& name) const;
  /// The same; throws InternalError for rows that the tensor does not have.
  const std::vector<int64_t>& checked_sizes(const std::string& name, int64_t first, int64_t last) const;

 protected:
  explicit TensorReader(const ModelShape& shape);

 private:
  std::map<std::string, std::vector<int64_t>> sizes_;
};

/// Bytes of a matrix row with so many columns, a multiple of the type's block.
uint64_t bytes_of_row(TensorType type, int64_t columns);

/// A file's tensors. `gguf` must outlive the reader.
std::unique_ptr<TensorReader> gguf_tensors(const Gguf& gguf, const ModelShape& shape);

/// Weights like those of a model at its initialisation: matrices uniform with the standard deviation 1 /
/// sqrt(inputs) (the embedding's inputs are its width), norms 1. Depends only on tensor name, row and column.
std::unique_ptr<TensorReader> synthetic_tensors(const ModelShape& shape);

/// The tensors of a transformers folder: model.safetensors, or the files that model.safetensors.index.json
/// lists. Throws UserError or DataError naming the file, and the tensor that is missing, unknown or of
/// another shape.
std::unique_ptr<TensorReader> folder_tensors(const std::string& directory, const ModelShape& shape);

}  // namespace apportion
