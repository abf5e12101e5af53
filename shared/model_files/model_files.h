// A model as the key `model` names it: what its files say, in whatever form.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "shared/architecture/shape.h"
#include "shared/model_files/gguf_export/gguf_metadata.h"
#include "shared/model_files/tensor_reader.h"
#include "shared/tokens/tokenizer_tables.h"

namespace apportion {

class ModelFiles {
 public:
  virtual ~ModelFiles() = default;

  virtual const ModelShape& shape() const = 0;
  /// Views that live as long as this.
  virtual TokenizerTables tokenizer() const = 0;
  /// A reader that lives no longer than this.
  virtual std::unique_ptr<TensorReader> tensors() const = 0;
  /// What a task's identity says about the model: SHA-256 over weights, tokenizer and chat template.
  virtual std::string digest() const = 0;
  /// The model's name on the Hugging Face hub; empty when nothing tells it.
  virtual std::string hub_name() const = 0;
  /// The licence that its own files name, as the hub writes it; empty when they name none.
  virtual std::string license() const { return ""; }
  /// What other programs need besides weights in float32, by file name: the tokenizer's files and, for a
  /// folder, its config.json.
  virtual std::map<std::string, std::string> companions() const { return {}; }
  /// What a GGUF file of the model says besides its shape: its name and its tokens. Throws DataError for a
  /// tokenizer that such a file cannot have.
  virtual GgufMetadata gguf_companions() const { return {}; }
};

/// The files for any value of the key `model`: NAME, a GGUF file, a Hugging Face folder, OWNER/NAME on its
/// hub (folder/hub_cache.h) or a shape (shape_text.h), which borrows its tokens from the model
/// tokenizer_of_shapes. Reads and checks headers, no weights. Throws what find_model, find_in_hub_cache,
/// parse_shape, Gguf, shape_of and open_folder do.
std::unique_ptr<ModelFiles> open_model(const std::string& model);

/// Only the shape, which for `shape:...` needs no file. Throws as open_model does.
ModelShape shape_of_model(const std::string& model);

}  // namespace apportion
