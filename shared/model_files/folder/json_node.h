// JSON of an untrusted file, value by value, with errors that say which key at which byte. Readers know what
// the keys mean.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/file_system.h"

namespace apportion {

/// A parsed file.
class JsonFile {
 public:
  /// Throws UserError when the file cannot be opened, DataError with the byte for text that is not JSON or
  /// has a key twice in one object.
  explicit JsonFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const nlohmann::json& root() const { return root_; }
  /// The byte where the value begins that these keys and places in lists lead to.
  uint64_t offset(const std::vector<std::string>& steps) const;

 private:
  MappedFile file_;
  nlohmann::json root_;
};

/// Parses an untrusted text that is an object and begins at this byte of its file. Throws DataError with the
/// byte for text that is not JSON, for another kind of value, or for a key that is twice in one object.
nlohmann::json parse_object(const std::string& path, std::string_view text, uint64_t offset = 0);

/// Whether a key with this value is as good as no key: null, false, an empty list or object.
bool says_nothing(const nlohmann::json& value);

/// A value of a file; the file must outlive it.
class JsonNode {
 public:
  explicit JsonNode(const JsonFile& file) : file_(&file), value_(&file.root()) {}

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const { return value_->is_null(); }
  uint64_t offset() const { return file_->offset(steps_); }
  /// Throws DataError "FILE, byte N: KEY MESSAGE", with all the keys that lead here.
  [[noreturn]] void fail(const std::string& message) const;

  /// The value of a key; fails when this is no object or has no such key.
  JsonNode at(const std::string& key) const;
  /// Whether this is an object that has the key, with a value that is not null.
  bool has(const std::string& key) const;
  /// The values of a list.
  std::vector<JsonNode> items() const;
  /// Fails when this is no object, or has a key besides these: it might change what is computed.
  void expect_keys(std::initializer_list<std::string_view> known) const;

  const std::string& text() const;
  bool boolean() const;
  /// A boolean that the object may leave out.
  bool boolean_or(const std::string& key, bool otherwise) const {
    return has(key) ? at(key).boolean() : otherwise;
  }
  /// The text of the key `type`, which says what an object is.
  const std::string& type() const { return at("type").text(); }

 private:
  JsonNode(const JsonNode& parent, const nlohmann::json& value, std::string step);

  const JsonFile* file_;
  const nlohmann::json* value_;
  std::vector<std::string> steps_;
};

}  // namespace apportion
