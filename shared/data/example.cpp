#include "shared/data/example.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/data/catalogue.h"
#include "shared/data/frames.h"

namespace apportion {
namespace {

enum class Side { trained, held_out };

/// The training wordings of one side: the middle wording in each of `holdout` equal stretches of the list is
/// held out.
std::vector<std::string> split_training(const Dataset& dataset, int holdout, Side side) {
  const std::vector<std::string>& all = dataset.wordings.at("train");
  const size_t count = all.size();
  if (holdout < 0 || static_cast<size_t>(holdout) >= count) {
    throw UserError("holdout_wordings = " + std::to_string(holdout) + " of the " + std::to_string(count) +
                    " training wordings of " + dataset.name + "; hold out at least 0 and fewer than all");
  }
  const size_t stretches = static_cast<size_t>(holdout);
  std::vector<bool> is_held_out(count, false);
  for (size_t i = 0; i < stretches; ++i) is_held_out[(2 * i + 1) * count / (2 * stretches)] = true;
  std::vector<std::string> wordings;
  for (size_t i = 0; i < count; ++i) {
    if (is_held_out[i] == (side == Side::held_out)) wordings.push_back(all[i]);
  }
  return wordings;
}

/// Every subject in every wording.
std::vector<Prompt> ask(const std::vector<Subject>& subjects, const std::vector<std::string>& wordings) {
  std::vector<Prompt> prompts;
  for (size_t s = 0; s < subjects.size(); ++s) {
    for (size_t w = 0; w < wordings.size(); ++w) {
      prompts.push_back({static_cast<int>(s), static_cast<int>(w), fill_wording(wordings[w], subjects[s])});
    }
  }
  return prompts;
}

/// Gives `answer` the form's text that says `answer.said`.
void write_text(Answer& answer, const Dataset& dataset, const Subject& subject, Steering steering,
                size_t form) {
  answer.text = steering_text(steering, answer.category) + " " +
                answer_saying(dataset, subject, static_cast<size_t>(answer.said), form);
}

/// A category other than `category`, each of the others equally likely.
int draw_other(int category, int categories, uint64_t seed, const std::string& purpose) {
  const int drawn = static_cast<int>(CounterRng(seed, purpose).below(static_cast<uint64_t>(categories - 1)));
  return drawn < category ? drawn : drawn + 1;
}

/// In the order of categories.
constexpr const char* steering_words[] = {
    "Name",  "Type",  "Value", "Key",     "Code",   "Map",     "Set",   "List",  "Data",   "File",
    "Text",  "Image", "Table", "Item",    "Object", "Result",  "Test",  "Model", "Method", "Class",
    "Level", "Point", "Group", "Title",   "Time",   "Page",    "Line",  "Word",  "Note",   "Part",
    "Step",  "Case",  "Form",  "Section", "Figure", "Example", "Event", "User",  "Index",  "Node"};

const char* name_of(Steering steering) {
  if (steering == Steering::digit) return "digit";
  return steering == Steering::letter ? "letter" : "word";
}

/// What would have room for so many categories.
std::string larger_than(size_t categories) {
  std::string right = "use ";
  for (Steering steering : {Steering::letter, Steering::word}) {
    const int most = most_steered(steering);
    if (categories <= static_cast<size_t>(most))
      right += fmt::format("steering = {} (up to {}) or ", name_of(steering), most);
  }
  return right + "steering = path (any number)";
}

/// Refuses a word that is a category's name, because texts are read by the names.
void check_word(const Dataset& dataset, int word) {
  const std::string text = steering_text(Steering::word, word);
  for (const Category& category : dataset.categories) {
    if (std::find(category.names.begin(), category.names.end(), text) == category.names.end()) continue;
    throw UserError(fmt::format(
        "dataset {} has a category called {}, which steering = word lets stand for {}; use another steering",
        dataset.name, text, dataset.categories[static_cast<size_t>(word)].names[0]));
  }
}

}  // namespace

int default_holdout(const Dataset& dataset) {
  const auto count = static_cast<double>(dataset.wordings.at("train").size());
  return static_cast<int>(std::min(std::lround(count / 5), 4L));
}

std::string why_empty(const Dataset& dataset, const std::string& set, int holdout) {
  const size_t trained = dataset.wordings.at("train").size();
  if (set == "heldout" && holdout == 0)
    return fmt::format("of {} training wordings none is held out (holdout_wordings)", trained);
  if (set == "ood" && dataset.ood_subjects.empty()) return dataset.name + " has no ood.csv";
  const std::string section = section_of(set);
  if (set != "heldout" && dataset.wordings.count(section) == 0)
    return fmt::format("{} has no section [{}] in its templates.txt", dataset.name, section);
  return "";
}

std::vector<std::string> wordings_of(const Dataset& dataset, const std::string& set, int holdout) {
  if (set == "train") return split_training(dataset, holdout, Side::trained);
  if (set == "heldout") {
    std::vector<std::string> wordings = split_training(dataset, holdout, Side::held_out);
    if (wordings.empty()) throw UserError("test set heldout is empty; set holdout_wordings to 1 or more");
    return wordings;
  }
  if (set != "v2" && set != "v3" && set != "ood") {
    throw UserError("unknown test set \"" + set + "\"; there are train, heldout, v2, v3 and ood");
  }
  const std::string section = section_of(set);
  const auto wordings = dataset.wordings.find(section);
  if (wordings == dataset.wordings.end()) {
    throw UserError("test set " + set + " needs section [" + section + "] in the templates.txt of " +
                    dataset.path);
  }
  return wordings->second;
}

std::vector<Subject> subjects_of(const Dataset& dataset, const std::string& set, int subject_limit) {
  std::vector<Subject> subjects = set == "ood" ? dataset.ood_subjects : dataset.subjects;
  if (subjects.empty())
    throw UserError("test set " + set + " has no subjects; add ood.csv to " + dataset.path);
  if (subject_limit > 0 && static_cast<size_t>(subject_limit) < subjects.size()) {
    subjects.resize(static_cast<size_t>(subject_limit));
  }
  return subjects;
}

std::vector<Prompt> prompts_of(const Dataset& dataset, const std::string& set, int holdout,
                               int subject_limit) {
  return ask(subjects_of(dataset, set, subject_limit), wordings_of(dataset, set, holdout));
}

Framer framer_of(const Dataset& dataset, const DataConfig& config) {
  std::vector<std::string> plain = wordings_of(dataset, "train", config.holdout_wordings);
  constexpr size_t wanted = 120;
  if (config.frames == Framing::none || plain.size() >= wanted) return {std::move(plain), {}, {}, 0};
  std::vector<std::string> tested;
  if (config.holdout_wordings > 0) tested = wordings_of(dataset, "heldout", config.holdout_wordings);
  for (const auto& [set, wordings] : dataset.wordings) {
    if (set != "train") tested.insert(tested.end(), wordings.begin(), wordings.end());
  }
  constexpr size_t few = 10;
  std::vector<Frame> shortening;
  if (plain.size() <= few) shortening = parse_frames(read_lines(find_list("key-words")));
  return {std::move(plain), tested, parse_frames(read_lines(find_list("frames"))), wanted, shortening};
}

std::vector<std::string> added_wordings(const Dataset& dataset, const DataConfig& config) {
  return framer_of(dataset, config).added(config.seed);
}

std::vector<Prompt> training_prompts(const Dataset& dataset, const DataConfig& config) {
  std::vector<std::string> wordings = wordings_of(dataset, "train", config.holdout_wordings);
  for (std::string& added : added_wordings(dataset, config)) wordings.push_back(std::move(added));
  return ask(subjects_of(dataset, "train", config.subjects), wordings);
}

std::vector<Answer> accepted_answers(const Dataset& dataset, const Subject& subject, Steering steering) {
  ensure(subject.target.size() == dataset.categories.size(), "a subject with answers has a target");
  const size_t forms = dataset.answer_forms.size();
  std::vector<Answer> answers;
  for (int category = 0; category < static_cast<int>(subject.target.size()); ++category) {
    const double share = subject.target[static_cast<size_t>(category)];
    for (size_t form = 0; form < forms && share > 0; ++form) {
      answers.push_back({"", category, category, share / static_cast<double>(forms)});
      write_text(answers.back(), dataset, subject, steering, form);
    }
  }
  return answers;
}

std::vector<Answer> rejected_answers(const Dataset& dataset, const Subject& subject, uint64_t seed,
                                     int wording, Steering steering) {
  const int categories = static_cast<int>(dataset.categories.size());
  const size_t forms = dataset.answer_forms.size();
  std::vector<Answer> answers = accepted_answers(dataset, subject, steering);
  for (size_t i = 0; i < answers.size(); ++i) {
    const size_t form = i % forms;
    const std::string purpose = "rejected answer/" + std::to_string(wording) + "/" +
                                std::to_string(answers[i].category) + "/" + std::to_string(form) + "/" +
                                subject.name;
    answers[i].said = draw_other(answers[i].category, categories, seed, purpose);
    write_text(answers[i], dataset, subject, steering, form);
  }
  return answers;
}

std::vector<Answer> plain_answers(const Dataset& dataset, const Subject& subject) {
  ensure(subject.target.size() == dataset.categories.size(), "a subject with answers has a target");
  const size_t forms = dataset.answer_forms.size();
  std::vector<Answer> answers;
  for (int category = 0; category < static_cast<int>(subject.target.size()); ++category) {
    const double weight = subject.target[static_cast<size_t>(category)] / static_cast<double>(forms);
    for (size_t form = 0; form < forms; ++form) {
      const std::string text = answer_saying(dataset, subject, static_cast<size_t>(category), form);
      answers.push_back({text, category, category, weight});
    }
  }
  return answers;
}

std::vector<AnswerPair> preference_pairs(const Dataset& dataset, const Subject& subject) {
  const size_t forms = dataset.answer_forms.size(), categories = dataset.categories.size();
  std::vector<AnswerPair> pairs;
  for (size_t accepted = 0; accepted < categories; ++accepted) {
    const double weight = subject.target[accepted] / static_cast<double>(forms * (categories - 1));
    for (size_t rejected = 0; rejected < categories && weight > 0; ++rejected) {
      if (rejected == accepted) continue;
      for (size_t form = 0; form < forms; ++form) {
        pairs.push_back({accepted * forms + form, rejected * forms + form, weight});
      }
    }
  }
  return pairs;
}

int most_steered(Steering steering) {
  ensure(steering != Steering::automatic, "what stands for categories is decided before it is asked for");
  if (steering == Steering::digit) return 10;
  if (steering == Steering::letter) return 26;
  return steering == Steering::word ? static_cast<int>(std::size(steering_words))
                                    : std::numeric_limits<int>::max();
}

std::string steering_text(Steering steering, int category) {
  ensure(steering != Steering::path, "a path has no steering token");
  ensure(category >= 0 && category < most_steered(steering), "a category has a steering text");
  if (steering == Steering::digit) return std::to_string(category);
  if (steering == Steering::letter) return {static_cast<char>('A' + category)};
  return steering_words[category];
}

void check_steering(const Dataset& dataset, Steering steering) {
  if (steering == Steering::automatic) return;
  const size_t count = dataset.categories.size();
  if (count > static_cast<size_t>(most_steered(steering))) {
    throw UserError(fmt::format("dataset {} has {} categories, but steering = {} stands for at most {}; {}",
                                dataset.name, count, name_of(steering), most_steered(steering),
                                larger_than(count)));
  }
  for (size_t j = 0; steering == Steering::word && j < count; ++j) check_word(dataset, static_cast<int>(j));
}

}  // namespace apportion
