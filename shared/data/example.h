// What is asked and what may be answered: prompts of a set of wordings, and the weighted answers of a prompt.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/data/frames.h"

namespace apportion {

/// A question: subject by index into subjects_of(set), wording by index into wordings_of(set), and the filled
/// user turn.
struct Prompt {
  int subject;
  int wording;
  std::string text;
};

/// An answer "STEERING TEXT", or the text alone. `category` is the steering text's, `said` the one that
/// its text names; accepted when equal. Weights of a prompt's accepted answers add to 1: category j's forms
/// share exactly p_j.
struct Answer {
  std::string text;
  int category;
  int said;
  double weight;
  bool accepted() const { return category == said; }
};

/// The wordings of a set, unfilled: "train" (without the held-out ones), "heldout", "v2", "v3", "ood" (v2's).
/// Throws UserError for an unknown set, one without wordings, or `holdout` not in [0, training wordings).
std::vector<std::string> wordings_of(const Dataset& dataset, const std::string& set, int holdout);

/// How many are held out where nobody says: a fifth of the training wordings, rounded, at most 4; none of
/// fewer than 3.
int default_holdout(const Dataset& dataset);

/// Why a test set has no prompts, for people; empty: it has some. `holdout` is definite.
std::string why_empty(const Dataset& dataset, const std::string& set, int holdout);

/// The test sets "heldout", "v2", "v3", "ood", and "train" (without the held-out ones). Prompts are ordered
/// by subject, then wording. `holdout` of the training wordings, spread evenly over their list, are held out.
std::vector<Prompt> prompts_of(const Dataset& dataset, const std::string& set, int holdout,
                               int subject_limit);

/// What makes the framed wordings that are trained on beside those of "train" (frames.h): with
/// `config.frames` as many as make 120 with these. A function of the dataset and `holdout_wordings`.
Framer framer_of(const Dataset& dataset, const DataConfig& config);

/// Those of the seed.
std::vector<std::string> added_wordings(const Dataset& dataset, const DataConfig& config);

/// What is trained on: the prompts of "train", and those of the added wordings, whose indices follow theirs.
/// Ordered by subject, then wording.
std::vector<Prompt> training_prompts(const Dataset& dataset, const DataConfig& config);

/// The subjects that `set` asks about (ood_subjects for "ood"), at most `subject_limit` of them (0: all).
std::vector<Subject> subjects_of(const Dataset& dataset, const std::string& set, int subject_limit);

/// Category j's accepted answers, one per answer form, each of weight p_j / forms. Categories with p_j = 0
/// give none.
std::vector<Answer> accepted_answers(const Dataset& dataset, const Subject& subject,
                                     Steering steering = Steering::digit);

/// One rejected answer for each accepted one: the same steering text and form with the text of another
/// category, drawn uniformly by a key of (seed, subject's name, wording, category, form); the same weights.
std::vector<Answer> rejected_answers(const Dataset& dataset, const Subject& subject, uint64_t seed,
                                     int wording, Steering steering = Steering::digit);

/// Plain answers, without a steering text: category j's text in each form, in the order of categories, then
/// forms, those with p_j = 0, too. Weights as accepted_answers'; all are accepted.
std::vector<Answer> plain_answers(const Dataset& dataset, const Subject& subject);

/// A pair of plain answers by index, the first one preferred. Weights of a prompt's pairs add to 1.
struct AnswerPair {
  size_t accepted, rejected;
  double weight;
};

/// The preferences of a target over plain_answers: category j is the accepted one with the weight p_j, the
/// rejected one is uniform over the others, in the same form: p_j / (forms (K - 1)) for each.
std::vector<AnswerPair> preference_pairs(const Dataset& dataset, const Subject& subject);

/// For how many categories there are steering texts: 10 digits, 26 letters, 40 words; of paths there are as
/// many as wanted. Not for Steering::automatic.
int most_steered(Steering steering);

/// The steering token's text of category j < most_steered(steering): its digit, its capital letter or its
/// word. Words are what programs and papers label things with ("Name", "Type"): one token each in most
/// vocabularies, the same for every dataset, and no beginning of an answer. Digits, letters and words alone.
std::string steering_text(Steering steering, int category);

/// Throws UserError when the dataset has more categories than there are texts, and when a word that would
/// stand for a category is the name of one, with which texts are read. Nothing is wrong with what is not
/// decided yet.
void check_steering(const Dataset& dataset, Steering steering);

}  // namespace apportion
