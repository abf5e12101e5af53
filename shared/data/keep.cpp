#include "shared/data/keep.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/data/catalogue.h"
#include "shared/data/example.h"
#include "shared/data/templates.h"
#include "shared/data/text_file.h"

namespace apportion {
namespace {

constexpr const char* own_kind = "near: of this dataset";
constexpr int copies_in_training = 3;

struct KeepLine {
  std::string kind;
  TextLine line;
};

std::vector<KeepLine> read_list(const std::string& path) {
  std::vector<KeepLine> lines;
  std::string kind;
  for (TextLine& line : read_lines(path)) {
    line.text = std::string(trim(line.text));
    if (line.text.empty() || line.text.front() == '#') continue;
    if (line.text.front() == '[' && line.text.back() == ']') {
      kind = std::string(trim(std::string_view(line.text).substr(1, line.text.size() - 2)));
      continue;
    }
    if (kind.empty()) fail_at(path, line.line, "a prompt before the first kind; begin with [knowledge], say");
    lines.push_back({kind, std::move(line)});
  }
  if (lines.empty()) throw UserError(path + " has no keep prompt; write one a line below a [kind]");
  return lines;
}

/// "@COLUMN = VALUE": a wording of the dataset with another value in that column.
struct Substitution {
  std::string column, value;
};

std::optional<Substitution> substitution_of(const TextLine& line) {
  if (line.text.front() != '@') return {};
  const size_t equals = line.text.find('=');
  if (equals == std::string::npos)
    fail_at(line.file, line.line, "write \"@subject = THING\" or \"@COLUMN = VALUE\"");
  const std::string_view text = line.text;
  return Substitution{std::string(trim(text.substr(1, equals - 1))),
                      std::string(trim(text.substr(equals + 1)))};
}

/// Makes prompts from lines for one dataset.
class Filler {
 public:
  Filler(const Dataset& dataset, const DataConfig& data, KeepUse use)
      : subjects_(subjects_of(dataset, "train", data.subjects)),
        wordings_(wordings_of(dataset,
                              use == KeepUse::test && data.holdout_wordings > 0 ? "heldout" : "train",
                              data.holdout_wordings)),
        copies_(use == KeepUse::train ? copies_in_training : 1) {}

  /// Returns none when the dataset lacks what the line needs.
  std::vector<std::string> texts(const TextLine& line) const {
    const auto other = substitution_of(line);
    const std::vector<std::string> names = other ? std::vector<std::string>() : placeholders_of(line);
    std::vector<std::string> texts;
    for (int copy = 0; copy < (other || !names.empty() ? copies_ : 1); ++copy) {
      // Drawn by the line's own text, so another list's lines change nothing for this one.
      CounterRng rng(0, "keep\n" + line.text + "\n" + std::to_string(copy));
      Subject subject = subjects_[rng.below(subjects_.size())];
      const std::string& wording = other ? wordings_[rng.below(wordings_.size())] : line.text;
      if (other && !put(*other, subject)) return {};
      if (!std::all_of(names.begin(), names.end(),
                       [&](const auto& name) { return subject.placeholders.count(name); }))
        return {};
      texts.push_back(fill_wording(wording, subject));
    }
    return texts;
  }

 private:
  /// Sets the value; false when the subject has no such column.
  bool put(const Substitution& other, Subject& subject) const {
    bool found = false;
    for (auto& [name, value] : subject.placeholders) {
      const bool derived = name.starts_with("a_") && subject.placeholders.count(name.substr(2));
      const std::string column = derived ? name.substr(2) : name;
      if (other.column == "subject" ? !varies(column) : column != other.column) continue;
      value = derived ? with_article(other.value) : other.value;
      found = true;
    }
    return found;
  }
  bool varies(const std::string& column) const {
    const std::string& first = subjects_.front().placeholders.at(column);
    return subjects_.size() == 1 ||
           std::any_of(subjects_.begin(), subjects_.end(),
                       [&](const Subject& subject) { return subject.placeholders.at(column) != first; });
  }

  std::vector<Subject> subjects_;
  std::vector<std::string> wordings_;
  int copies_;
};

/// Everything that the dataset asks, in any of its sets.
std::set<std::string> asked_by(const Dataset& dataset, const DataConfig& data) {
  std::set<std::string> asked;
  for (const auto& [set, wordings] : dataset.wordings) {
    if (!asks_for_answers(set)) continue;
    for (const Subject& subject : subjects_of(dataset, "train", data.subjects)) {
      for (const std::string& wording : wordings) asked.insert(fill_wording(wording, subject));
    }
  }
  return asked;
}

}  // namespace

std::vector<KeepPrompt> keep_prompts(const std::string& list, KeepUse use, const Dataset& dataset,
                                     const DataConfig& data) {
  std::vector<KeepLine> lines = read_list(find_list(list));
  const auto own = dataset.wordings.find(use == KeepUse::train ? "keep" : "keep-test");
  if (own != dataset.wordings.end()) {
    for (const std::string& text : own->second) lines.push_back({own_kind, {text, dataset.path, 0}});
  }
  const Filler filler(dataset, data, use);
  std::set<std::string> taken = asked_by(dataset, data);
  std::vector<KeepPrompt> prompts;
  for (const KeepLine& line : lines) {
    for (std::string& text : filler.texts(line.line)) {
      if (taken.insert(text).second) prompts.push_back({line.kind, std::move(text), line.line});
    }
  }
  return prompts;
}

std::string digest_of(const std::vector<KeepPrompt>& prompts) {
  nlohmann::json content = nlohmann::json::array();
  for (const KeepPrompt& prompt : prompts) content.push_back({prompt.kind, prompt.text});
  return sha256(content.dump());
}

std::vector<EasyQuestion> easy_questions(const std::string& path) {
  std::vector<EasyQuestion> questions;
  for (const TextLine& line : read_lines(path)) {
    std::string_view rest = trim(line.text);
    if (rest.empty() || rest.front() == '#') continue;
    std::vector<std::string> parts;
    for (size_t bar = 0; bar != std::string_view::npos;) {
      bar = rest.find('|');
      parts.emplace_back(trim(rest.substr(0, bar)));
      if (bar != std::string_view::npos) rest.remove_prefix(bar + 1);
    }
    if (parts.size() < 2 || std::count(parts.begin(), parts.end(), "") != 0)
      fail_at(path, line.line, "not a question with answers; write \"QUESTION | ACCEPTED | ACCEPTED\"");
    questions.push_back({parts.front(), {parts.begin() + 1, parts.end()}});
  }
  if (questions.empty())
    throw UserError(path + " has no question; write \"QUESTION | ACCEPTED\", one a line");
  return questions;
}

std::vector<std::string> passages_of(const std::string& path) {
  std::vector<std::string> passages;
  for (const TextLine& line : read_lines(path)) {
    if (!trim(line.text).empty()) passages.emplace_back(trim(line.text));
  }
  if (passages.empty()) throw UserError(path + " has no text; write a passage a line");
  return passages;
}

}  // namespace apportion
