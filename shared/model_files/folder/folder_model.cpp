#include "shared/model_files/folder/folder_model.h"

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/base/utf8.h"
#include "shared/model_files/folder/config_json.h"
#include "shared/model_files/folder/hub_cache.h"
#include "shared/model_files/folder/json_node.h"
#include "shared/model_files/folder/tokenizer_json.h"
#include "shared/model_files/gguf_export/gguf_vocabulary.h"
#include "shared/model_files/origin.h"

namespace apportion {
namespace {

using nlohmann::json;

/// Raised when the digest covers another list of files.
constexpr const char* digest_revision = "folder 1";

/// The path of a file that must be there; throws an error that names a missing one and what is needed.
std::string required(const std::string& directory, const char* name) {
  const std::string path = directory + "/" + name;
  if (is_regular_file(path)) return path;
  std::string hint;
  for (const std::string& other : names_in(directory)) {
    if (hint.empty() && other.ends_with(".gguf"))
      hint = "; for a GGUF file give its own path, as " + directory + "/" + other;
  }
  throw UserError("the folder " + directory + " has no " + name +
                  "; a model's folder has config.json, tokenizer.json and model.safetensors (or its parts "
                  "and their index)" +
                  hint);
}

/// A special token as tokenizer_config.json writes it: its text, or an object with it. Empty when there is
/// none.
std::string token_of(const std::string& path, const json& config, const char* key) {
  const json value = config.value(key, json());
  const json text = value.is_object() ? value.value("content", json()) : value;
  if (text.is_string()) return text.get<std::string>();
  if (!value.is_null())
    throw UserError(path + ": " + key + " is " + json_text(value) +
                    "; a token's text is expected, or an object with it");
  return "";
}

class FolderModel : public ModelFiles {
 public:
  explicit FolderModel(std::string directory)
      : directory_(std::move(directory)),
        shape_(shape_of_folder(directory_)),
        tokenizer_(required(directory_, "tokenizer.json")) {
    read_tokenizer_config();
    folder_tensors(directory_, shape_);  // reports now what is missing or has another shape
  }

  const ModelShape& shape() const override { return shape_; }

  TokenizerTables tokenizer() const override {
    TokenizerTables tables = tokenizer_.tables();
    // Weights often have rows for more tokens than there are, for the sake of a round number.
    tables.vocabulary = static_cast<int32_t>(shape_.vocabulary);
    if (!bos_.empty()) tables.bos_token = bos_;
    if (!eos_.empty()) tables.eos_token = eos_;
    if (template_) {
      tables.chat_template.value = *template_;
      tables.template_file = template_file_;
    }
    return tables;
  }

  std::unique_ptr<TensorReader> tensors() const override { return folder_tensors(directory_, shape_); }

  std::string digest() const override {
    Digest digest;
    digest.add(digest_revision);
    for (const std::string& name : names_in(directory_)) {
      const bool weights = name.ends_with(".safetensors") && name.starts_with("model");
      if (!weights && name != "config.json" && name != "tokenizer.json" && name != "tokenizer_config.json" &&
          name != "chat_template.jinja")
        continue;
      const MappedFile file(directory_ + "/" + name);
      digest.add("\n" + name + " " + std::to_string(file.bytes().size()) + "\n").add(file.bytes());
    }
    return digest.hex();
  }

  std::map<std::string, std::string> companions() const override {
    std::map<std::string, std::string> files;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                             "chat_template.jinja", "generation_config.json"}) {
      if (const std::string path = directory_ + "/" + name; is_regular_file(path))
        files[name] = read_file(path);
    }
    json config = json::parse(read_file(directory_ + "/config.json"));
    config.erase("dtype");
    config["torch_dtype"] = "float32";
    files["config.json"] = config.dump(2) + "\n";
    return files;
  }

  GgufMetadata gguf_companions() const override {
    const std::string of_hub = hub_name();
    const std::string name = of_hub.empty() ? std::filesystem::canonical(directory_).filename().string()
                                            : of_hub.substr(of_hub.find('/') + 1);
    return GgufMetadata().text("general.name", name).add(vocabulary_keys(tokenizer()));
  }

  std::string hub_name() const override { return hub_name_of_folder(directory_); }

  std::string license() const override {
    const std::string card = directory_ + "/README.md";
    return is_regular_file(card) ? license_of_card(read_file(card)) : "";
  }

 private:
  void read_tokenizer_config() {
    const std::string path = directory_ + "/tokenizer_config.json", own = directory_ + "/chat_template.jinja";
    if (is_regular_file(own)) {
      template_ = read_file(own);
      template_file_ = own;
    }
    if (!is_regular_file(path)) return;
    const json config = parse_object(path, read_file(path));
    bos_ = token_of(path, config, "bos_token");
    eos_ = token_of(path, config, "eos_token");
    if (!template_) {
      template_ = template_of(path, config.value("chat_template", json()));
      template_file_ = path;
    }
  }

  /// One template, or several with names; the one for plain talk is called default.
  static std::optional<std::string> template_of(const std::string& path, const json& value) {
    if (value.is_null()) return std::nullopt;
    if (value.is_string()) return value.get<std::string>();
    for (const json& entry : value.is_array() ? value : json::array()) {
      const json text = entry.is_object() ? entry.value("template", json()) : json();
      if (text.is_string() && entry.value("name", json()) == "default") return text.get<std::string>();
    }
    throw UserError(path + ": chat_template is neither a text nor a list with an entry named default");
  }

  std::string directory_;
  ModelShape shape_;
  TokenizerJson tokenizer_;
  std::string bos_, eos_;
  std::optional<std::string> template_;
  std::string template_file_;
};

}  // namespace

ModelShape shape_of_folder(const std::string& directory) {
  return read_config(required(directory, "config.json"));
}

std::unique_ptr<ModelFiles> open_folder(const std::string& directory) {
  try {
    return std::make_unique<FolderModel>(directory);
  } catch (const json::exception& error) {
    throw UserError(directory + ": " + error.what());
  }
}

}  // namespace apportion
