#include "shared/config/task.h"

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {

namespace {

const std::vector<KindDescription>& kind_table() {
  static const std::vector<KindDescription> table = {
      {TaskKind::measure, "measure", 4, false, false, 1},    {TaskKind::sft, "sft", 5, true, true, 3},
      {TaskKind::calibrate, "calibrate", 6, true, true, 3},  {TaskKind::scale, "scale", 3, false, true, 3},
      {TaskKind::retention, "retention", 1, false, true, 1}, {TaskKind::judge, "judge", 1, false, false, 1},
  };
  return table;
}

/// In valid JSON: the position after the string that begins at `at`, and after the value that does.
size_t end_of_string(std::string_view text, size_t at) {
  for (++at; text[at] != '"'; ++at) at += text[at] == '\\' ? 1 : 0;
  return at + 1;
}

size_t end_of_value(std::string_view text, size_t at) {
  for (int depth = 0; at < text.size();) {
    const char character = text[at];
    if (depth == 0 && (character == ',' || character == '}' || character == ']')) break;
    if (character == '{' || character == '[') ++depth;
    if (character == '}' || character == ']') --depth;
    at = character == '"' ? end_of_string(text, at) : at + 1;
  }
  return at;
}

}  // namespace

const KindDescription& description_of(TaskKind kind) {
  for (const KindDescription& description : kind_table()) {
    if (description.kind == kind) return description;
  }
  throw InternalError("a kind of task without a description");
}

TaskKind task_kind(const std::string& name) {
  std::string names;
  for (const KindDescription& description : kind_table()) {
    if (description.name == name) return description.kind;
    names += (names.empty() ? "" : ", ") + description.name;
  }
  throw UserError("a task of kind \"" + name + "\", which this program does not know; there are " + names);
}

TaskList task_list(std::vector<Task> tasks) {
  TaskList list;
  for (Task& task : tasks) list.push_back(std::make_shared<const Task>(std::move(task)));
  return list;
}

TaskIdentity::TaskIdentity(const nlohmann::json& json)
    : text_(std::make_shared<const std::string>(json.dump())) {}

TaskIdentity TaskIdentity::of_text(std::string canonical) {
  TaskIdentity identity;
  identity.text_ = std::make_shared<const std::string>(std::move(canonical));
  return identity;
}

const std::string& TaskIdentity::text() const {
  static const std::string none = "null";
  return text_ ? *text_ : none;
}

/// The value's text; empty when there is no such key.
std::string_view TaskIdentity::part(std::string_view key) const {
  const std::string_view all = text();
  size_t at = 1;  // a member's first quote
  while (at < all.size() && all[at] == '"') {
    const size_t name_end = end_of_string(all, at), end = end_of_value(all, name_end + 1);
    if (all.substr(at + 1, name_end - at - 2) == key) return all.substr(name_end + 1, end - name_end - 1);
    at = end + 1;
  }
  return {};
}

nlohmann::json TaskIdentity::at(std::string_view key) const {
  const std::string_view found = part(key);
  if (found.empty()) return json().at(std::string(key));
  return nlohmann::json::parse(found);
}

std::string TaskIdentity::value(std::string_view key, const std::string& otherwise) const {
  return contains(key) ? at(key).get<std::string>() : otherwise;
}

void to_json(nlohmann::json& json, const TaskIdentity& identity) { json = identity.json(); }

bool is_without_target(const Task& task) { return task.identity.contains("questions"); }

std::string task_id(const TaskIdentity& identity) { return sha256(identity.text()); }

void to_json(nlohmann::json& json, const Task& task) {
  json = {{"id", task.id},         {"kind", name_of(task.kind)},
          {"label", task.label},   {"identity", task.identity},
          {"inputs", task.inputs}, {"test_set", task.test_set}};
}

void from_json(const nlohmann::json& json, Task& task) {
  json.at("id").get_to(task.id);
  task.kind = task_kind(json.at("kind").get<std::string>());
  json.at("label").get_to(task.label);
  task.identity = json.at("identity");
  json.at("inputs").get_to(task.inputs);
  json.at("test_set").get_to(task.test_set);
}

}  // namespace apportion
