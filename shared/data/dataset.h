// A dataset: subjects x categories with targets, the wordings of its questions and the forms of its answers.
// Parsed from a folder (targets.csv, templates.txt, ood.csv); docs/datasets.md has the format.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/data/article.h"

namespace apportion {

/// A category in steering order; `names[0]` is the one that is written, the rest are synonyms. A judge of
/// stories also knows it by its judge words (pronouns); answers are not read for those.
struct Category {
  std::vector<std::string> names;
  std::vector<std::string> judge_words = {};
};

/// One attribute of a joint dataset ("gender" x "race"): its name, which is its placeholder in answer forms,
/// and the categories of this attribute alone.
struct Attribute {
  std::string name;
  std::vector<Category> categories;
};

/// One row of targets.csv. `target` has one share per category and adds to 1 (empty in ood.csv when unknown).
/// `placeholders` maps "role" to its text, and also "a_role" to the text with its article.
struct Subject {
  std::string name;
  std::vector<double> target;
  std::map<std::string, std::string> placeholders;
};

struct Dataset {
  std::string name;  // the folder's name
  std::string path;
  /// In a joint dataset the product of the attributes' categories, the last changing fastest, each with the
  /// one name "Male+White".
  std::vector<Category> categories;
  std::vector<Attribute> attributes;  // none, or two and more
  std::vector<Subject> subjects;
  std::vector<Subject> ood_subjects;
  std::vector<std::string> answer_forms;  // each has {category}, or every attribute's name, exactly once
  /// "train"; where given also "v2", "v3", prompts that must not change ("keep", "keep-test") and lines of
  /// story prompts to train with ("stories", story_prompts.h).
  std::map<std::string, std::vector<std::string>> wordings;

  // The digests: SHA-256 of the parsed content that some tasks read, and of the name (which keys the draws);
  // not of the path or the files' spelling, nor of keep prompts, story prompts and judge words, which only
  // their own tasks read.

  /// What is trained on: subjects and their targets, training wordings and answers; no other wordings.
  std::string training_digest() const;
  /// What a test set asks, and what answers say, whatever the target.
  std::string questions_digest(const std::string& test_set) const;
  /// The same with the shares to follow.
  std::string test_digest(const std::string& test_set) const;
};

/// Parses a dataset's folder. Throws UserError "FILE, line N: what is wrong; what would be right".
Dataset parse_dataset(const std::string& folder);

/// The shares, by subject, of a table like the dataset's targets.csv. Refuses subjects that are neither in
/// targets.csv nor in ood.csv. Columns of placeholders may be there and are not read. Throws UserError "FILE,
/// line N: ...".
std::map<std::string, std::vector<double>> read_shares(const std::string& path, const Dataset& dataset);

/// The section of templates.txt that holds a test set's wordings.
std::string section_of(const std::string& test_set);

/// Whether the section's wordings are questions that the dataset's answers fit: not prompts that must not
/// change, nor story prompts.
bool asks_for_answers(const std::string& section);

/// The category of each attribute that makes up a joint category; the last attribute changes fastest.
std::vector<size_t> parts_of(size_t category, const std::vector<Attribute>& attributes);

/// The text of an answer form that names this category.
std::string answer_saying(const Dataset& dataset, Subject subject, size_t category, size_t form);

/// `text` with the category's name (or a joint category's names) and the subject's placeholders filled in.
std::string naming(const Dataset& dataset, Subject subject, size_t category, const std::string& text);

/// `wording` with its placeholders filled from the subject. Throws UserError for one without a value.
std::string fill_wording(const std::string& wording, const Subject& subject);

}  // namespace apportion
