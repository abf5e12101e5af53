#include "shared/model_files/model_files.h"

#include <filesystem>
#include <system_error>

#include "shared/base/digest.h"
#include "shared/base/file_system.h"
#include "shared/data/catalogue.h"
#include "shared/model_files/folder/folder_model.h"
#include "shared/model_files/folder/hub_cache.h"
#include "shared/model_files/folder/tokenizer_writer.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "shared/model_files/origin.h"
#include "shared/model_files/shape_text.h"

namespace apportion {
namespace {

/// Raised when the values of synthetic weights change.
constexpr const char* weights_revision = "synthetic weights 1";

class GgufModel : public ModelFiles {
 public:
  explicit GgufModel(const std::string& path) : gguf_(path), shape_(shape_of(gguf_)) {}

  const ModelShape& shape() const override { return shape_; }
  TokenizerTables tokenizer() const override { return tokenizer_tables(gguf_); }
  std::unique_ptr<TensorReader> tensors() const override { return gguf_tensors(gguf_, shape_); }
  std::string digest() const override { return gguf_.digest(); }
  std::string hub_name() const override { return apportion::hub_name(gguf_); }
  std::string license() const override { return license_of(gguf_); }
  std::map<std::string, std::string> companions() const override { return tokenizer_files(tokenizer()); }
  GgufMetadata gguf_companions() const override {
    GgufMetadata metadata;
    for (const auto& [key, entry] : gguf_.metadata()) {
      if (key == "general.name" || key.starts_with("tokenizer.")) metadata.entry(key, entry.bytes);
    }
    return metadata;
  }

 private:
  Gguf gguf_;
  ModelShape shape_;
};

/// A shape without weights in a file, with the tokens of another model.
class ShapedModel : public ModelFiles {
 public:
  explicit ShapedModel(const ModelShape& shape)
      : shape_(shape), tokens_of_(open_model(tokenizer_of_shapes)) {}

  const ModelShape& shape() const override { return shape_; }
  TokenizerTables tokenizer() const override {
    TokenizerTables tables = tokens_of_->tokenizer();
    tables.folded_to = static_cast<int32_t>(shape_.vocabulary);
    return tables;
  }
  std::unique_ptr<TensorReader> tensors() const override { return synthetic_tensors(shape_); }
  std::string digest() const override {
    return sha256(std::string(weights_revision) + '\n' + canonical_shape(shape_) + '\n' +
                  tokens_of_->digest());
  }
  std::string hub_name() const override { return ""; }

 private:
  ModelShape shape_;
  std::unique_ptr<ModelFiles> tokens_of_;
};

/// The folder that a value of the key `model` names; empty when it names none. Throws what find_in_hub_cache
/// does.
std::string folder_of(const std::string& model) {
  std::error_code ignored;
  if (std::filesystem::is_directory(model, ignored)) return model;
  return is_hub_name(model) && !is_regular_file(model) ? find_in_hub_cache(model) : "";
}

}  // namespace

std::unique_ptr<ModelFiles> open_model(const std::string& model) {
  if (is_shape_text(model)) return std::make_unique<ShapedModel>(parse_shape(model));
  if (const std::string folder = folder_of(model); !folder.empty()) return open_folder(folder);
  return std::make_unique<GgufModel>(find_model(model));
}

ModelShape shape_of_model(const std::string& model) {
  if (is_shape_text(model)) return parse_shape(model);
  const std::string folder = folder_of(model);
  return folder.empty() ? open_model(model)->shape() : shape_of_folder(folder);
}

}  // namespace apportion
