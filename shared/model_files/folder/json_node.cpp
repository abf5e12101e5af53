#include "shared/model_files/folder/json_node.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "shared/base/error.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/// The position after the closing quote of the string that begins at `begin`, in text known to be JSON.
size_t end_of_string(std::string_view text, size_t begin) {
  size_t at = begin + 1;
  for (; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// Walks text known to be JSON to find where a value begins.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
    skip_blanks();
  }

  uint64_t at() const { return at_; }

  /// Moves from the beginning of an object or a list to the value that `step` names; false when there is
  /// none, or when its key is written with escapes.
  bool enter(const std::string& step) {
    const bool object = text_[at_] == '{';
    if (!object && text_[at_] != '[') return false;
    ++at_;
    for (size_t index = 0; skip_blanks(), text_[at_] != '}' && text_[at_] != ']'; ++index) {
      std::string name = std::to_string(index);
      if (object) {
        const size_t begin = at_ + 1;
        skip_value();
        name = text_.substr(begin, at_ - 1 - begin);
        skip_past(':');
      }
      if (name == step) return true;
      skip_value();
      skip_blanks();
      if (text_[at_] == ',') ++at_;
    }
    return false;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && blanks.find(text_[at_]) != std::string_view::npos) ++at_;
  }

  void skip_past(char sign) {
    skip_blanks();
    if (text_[at_] == sign) ++at_;
    skip_blanks();
  }

  void skip_value() {
    size_t depth = 0;
    do {
      const char sign = text_[at_];
      if (sign == '"') {
        at_ = end_of_string(text_, at_);
        continue;
      }
      if (sign == '{' || sign == '[') ++depth;
      if (depth == 0) {
        while (at_ < text_.size() &&
               std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos)
          ++at_;
        return;
      }
      if (sign == '}' || sign == ']') --depth;
      ++at_;
    } while (depth > 0);
  }

  std::string_view text_;
  size_t at_ = 0;
};

/// The first key that occurs in an object a second time, and its byte, in text known to be JSON. Most
/// programs take its last value, some the first: nobody knows what the file means.
std::optional<std::pair<std::string, uint64_t>> first_repeated_key(std::string_view text) {
  // The keys of open objects. No hashes: whoever writes a file could choose keys that share one.
  std::vector<std::set<std::string_view>> objects;
  std::deque<std::string> with_escapes;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '{') objects.emplace_back();
    if (text[at] == '}') objects.pop_back();
    if (text[at] != '"') {
      ++at;
      continue;
    }
    const size_t end = end_of_string(text, at), next = text.find_first_not_of(blanks, end);
    if (next != std::string_view::npos && text[next] == ':') {
      std::string_view key = text.substr(at + 1, end - at - 2);
      if (key.find('\\') != std::string_view::npos) {
        const nlohmann::json read = nlohmann::json::parse(text.substr(at, end - at));
        key = with_escapes.emplace_back(read.get<std::string>());
      }
      if (!objects.back().insert(key).second) return {{std::string(key), at}};
    }
    at = end;
  }
  return {};
}

/// nlohmann's reason, without its own numbers and names.
std::string reason_of(const nlohmann::json::exception& error) {
  const std::string what = error.what();
  const size_t end = what.find("] ");
  return end == std::string::npos ? what : what.substr(end + 2);
}

nlohmann::json parse(const std::string& path, std::string_view text, uint64_t offset) {
  if (const size_t deep = first_too_deep(text); deep < text.size())
    throw DataError(path, offset + deep, "lists and objects are nested more than 100 deep");
  // nlohmann ends the text here, whatever follows.
  if (const size_t zero = text.find('\0'); zero < text.size())
    throw DataError(path, offset + zero, "is not JSON: there is a zero byte");
  nlohmann::json value;
  try {
    value = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const uint64_t before = error.byte == 0 ? 0 : error.byte - 1;  // it counts from 1
    throw DataError(path, offset + before, "is not JSON: " + text_in_message(reason_of(error)));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(path, offset, "is not JSON that can be read: " + reason_of(error));
  }
  if (const auto repeated = first_repeated_key(text)) {
    throw DataError(path, offset + repeated->second,
                    "the key " + text_in_message(repeated->first) + " appears twice in one object");
  }
  return value;
}

}  // namespace

nlohmann::json parse_object(const std::string& path, std::string_view text, uint64_t offset) {
  nlohmann::json value = parse(path, text, offset);
  if (!value.is_object()) throw DataError(path, offset, "is not a JSON object");
  return value;
}

bool says_nothing(const nlohmann::json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

JsonFile::JsonFile(const std::string& path) : file_(path), root_(parse(path, file_.bytes(), 0)) {}

uint64_t JsonFile::offset(const std::vector<std::string>& steps) const {
  Walker walker(file_.bytes());
  for (const std::string& step : steps) {
    const Walker before = walker;
    if (!walker.enter(step)) return before.at();
  }
  return walker.at();
}

JsonNode::JsonNode(const JsonNode& parent, const nlohmann::json& value, std::string step)
    : file_(parent.file_), value_(&value), steps_(parent.steps_) {
  steps_.push_back(std::move(step));
  // Readers of lists within lists recurse.
  if (steps_.size() > 32) fail("lies deeper than 32 levels");
}

void JsonNode::fail(const std::string& message) const {
  std::string name;
  for (const std::string& step : steps_) name += (name.empty() ? "" : ".") + step;
  // Both may repeat text from the file.
  throw DataError(file_->path(), offset(), text_in_message(name.empty() ? message : name + " " + message));
}

JsonNode JsonNode::at(const std::string& key) const {
  if (!value_->is_object()) fail("is not an object");
  const auto found = value_->find(key);
  if (found == value_->end()) fail("has no key " + key);
  return {*this, *found, key};
}

bool JsonNode::has(const std::string& key) const {
  if (!value_->is_object()) fail("is not an object");
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

std::vector<JsonNode> JsonNode::items() const {
  if (!value_->is_array()) fail("is not a list");
  std::vector<JsonNode> items;
  items.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) items.push_back({*this, (*value_)[i], std::to_string(i)});
  return items;
}

void JsonNode::expect_keys(std::initializer_list<std::string_view> known) const {
  if (!value_->is_object()) fail("is not an object");
  for (const auto& entry : value_->items()) {
    if (std::find(known.begin(), known.end(), entry.key()) != known.end()) continue;
    JsonNode(*this, entry.value(), entry.key()).fail("is an unknown key");
  }
}

const std::string& JsonNode::text() const {
  if (!value_->is_string()) fail("is not a text");
  return value_->get_ref<const std::string&>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) fail("is not true or false");
  return value_->get<bool>();
}

}  // namespace apportion
