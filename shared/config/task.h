// A task: the unit of scheduling, caching and results. Its id is the hash of everything it depends on.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

/// measure: one test set; sft: stage 1; calibrate: stage 2; scale: timed steps of a synthetic shape (its id
/// includes ranks and layout, for they are the question); retention: what a task's model still shares with
/// the untouched one; judge: a judge reads the stories that its input measured (the coordinator does this for
/// judges that are not models run here).
enum class TaskKind { measure, sft, calibrate, scale, retention, judge };

/// What the whole program has to know about a kind; what it does is up to its handlers in the worker, the
/// recorder and the store's tables.
struct KindDescription {
  TaskKind kind;
  std::string name;        // in identities and files
  int revision;            // raised when the kind's numbers change, so that old artefacts are not taken for
                           // new ones
  bool trains;             // leaves an adapter or weights
  bool training_type;      // computes in the training type
  double scheduled_first;  // its weight when ranks are dealt: more where later tasks wait for it, else 1
};
const KindDescription& description_of(TaskKind kind);
/// Throws UserError for an unknown name.
TaskKind task_kind(const std::string& name);
inline const std::string& name_of(TaskKind kind) { return description_of(kind).name; }

/// Everything a task depends on, as the text whose hash is its id: canonical JSON (sorted keys, no spaces) of
/// an object. A sweep has tens of thousands of these in several tables, so copies share the text, which is a
/// fifth of what its parts would take, and only the parts asked for are parsed.
class TaskIdentity {
 public:
  TaskIdentity() = default;                  // no task: null
  TaskIdentity(const nlohmann::json& json);  // NOLINT(google-explicit-constructor): it stands for one
  static TaskIdentity of_text(std::string canonical);  // of an object

  const std::string& text() const;
  bool is_object() const { return text().front() == '{'; }
  bool contains(std::string_view key) const { return !part(key).empty(); }
  /// Throws as nlohmann::json does for a missing key.
  nlohmann::json at(std::string_view key) const;
  std::string value(std::string_view key, const std::string& otherwise) const;
  nlohmann::json json() const { return nlohmann::json::parse(text()); }

 private:
  std::string_view part(std::string_view key) const;

  std::shared_ptr<const std::string> text_;
};
inline bool operator==(const TaskIdentity& a, const TaskIdentity& b) { return a.text() == b.text(); }
void to_json(nlohmann::json& json, const TaskIdentity& identity);

struct Task {
  std::string id;  // SHA-256 of identity.text()
  TaskKind kind = TaskKind::measure;
  std::string label;      // for people: "stage 1", "before, v2"
  TaskIdentity identity;  // kind, revision, options it reads, digests of model and dataset, ids of inputs
  std::vector<std::string> inputs;  // ids of tasks that must be done first: the adapter to measure or to
                                    // start from
  std::string test_set;             // a measure task's
};

/// Tasks that several parts of a run look at: however many cells there are, each is in memory once.
using TaskList = std::vector<std::shared_ptr<const Task>>;
TaskList task_list(std::vector<Task> tasks);

/// Whether the task's result says nothing about targets: it measures the untouched model, asked plainly.
/// Cells with different targets share it, and each brings its own (store/index.h).
bool is_without_target(const Task& task);

/// SHA-256 of its text.
std::string task_id(const TaskIdentity& identity);

void to_json(nlohmann::json& json, const Task& task);
void from_json(const nlohmann::json& json, Task& task);

}  // namespace apportion
