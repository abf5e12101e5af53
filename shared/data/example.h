// What is asked and what may be answered: the prompts of a set of wordings, and a prompt's weighted answers.
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

/// An answer "STEERING TEXT", or the text alone. `category` is that of the steering text, `said` the one that
/// its text names; accepted when equal. The weights of a prompt's accepted answers add to 1: category j's
/// forms share exactly p_j.
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

/// How many wordings are held out by default: a fifth of the training wordings, rounded, at most 4; none out
/// of fewer than 3.
int default_holdout(const Dataset& dataset);

/// Why a test set has no prompts, for people; empty: it has some. `holdout` is definite.
std::string why_empty(const Dataset& dataset, const std::string& set, int holdout);

/// The test sets "heldout", "v2", "v3", "ood", and "train" (without the held-out ones). Prompts are ordered
/// by subject, then wording. `holdout` of the training wordings, spread evenly over their list, are held out.
std::vector<Prompt> prompts_of(const Dataset& dataset, const std::string& set, int holdout,
                               int subject_limit);

/// Makes the framed wordings that are trained on besides those of "train" (frames.h): with `config.frames`
/// enough for 120 together with these; up to 10 wordings are also reduced to key words. Depends only on the
/// dataset and `holdout_wordings`.
Framer framer_of(const Dataset& dataset, const DataConfig& config);

/// The framed wordings for the configuration's seed.
std::vector<std::string> added_wordings(const Dataset& dataset, const DataConfig& config);

/// What is trained on: the prompts of "train" and those of the added wordings, whose indices follow on.
/// Ordered by subject, then wording.
std::vector<Prompt> training_prompts(const Dataset& dataset, const DataConfig& config);

/// The subjects that `set` asks about (ood_subjects for "ood"), at most `subject_limit` of them (0: all).
std::vector<Subject> subjects_of(const Dataset& dataset, const std::string& set, int subject_limit);

/// Category j's accepted answers, one per answer form, each of weight p_j / forms. There are none for p_j =
/// 0.
std::vector<Answer> accepted_answers(const Dataset& dataset, const Subject& subject,
                                     Steering steering = Steering::digit);

/// One rejected answer for each accepted one: the same steering text and form, but the text of another
/// category, drawn uniformly under a key of (seed, subject's name, wording, category, form); the same
/// weights.
std::vector<Answer> rejected_answers(const Dataset& dataset, const Subject& subject, uint64_t seed,
                                     int wording, Steering steering = Steering::digit);

/// Plain answers, without a steering text: category j's text in each form, ordered by category, then form,
/// also for p_j = 0. Weights as in accepted_answers; all are accepted.
std::vector<Answer> plain_answers(const Dataset& dataset, const Subject& subject);

/// A pair of plain answers by index, the first one preferred. Weights of a prompt's pairs add to 1.
struct AnswerPair {
  size_t accepted, rejected;
  double weight;
};

/// A target's preferences over plain_answers: category j is the accepted one with weight p_j, and the
/// rejected one is uniform over the others, in the same form, so each pair weighs p_j / (forms (K - 1)).
std::vector<AnswerPair> preference_pairs(const Dataset& dataset, const Subject& subject);

/// The number of categories that have steering texts: 10 digits, 26 letters, 40 words; paths have no limit.
/// Not for Steering::automatic.
int most_steered(Steering steering);

/// The steering text of category j < most_steered(steering): its digit, its capital letter or its word. Words
/// are labels that programs and papers use ("Name", "Type"): one token each in most vocabularies, the same
/// for every dataset, and not how answers begin. Only for digits, letters and words.
std::string steering_text(Steering steering, int category);

/// Throws UserError when the dataset has more categories than there are texts, and when a word that would
/// stand for a category is a category's name, since texts are read by names. A steering that is still
/// undecided passes.
void check_steering(const Dataset& dataset, Steering steering);

}  // namespace apportion
