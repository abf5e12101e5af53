// What measuring one prompt yields, and all of a test set's prompts together. Legend: S subjects, P wordings,
// K categories.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apportion {

/// How an answer ended: with the end-of-turn token, or cut at max_answer_tokens.
enum class Finish : uint8_t { end = 0, cut = 1 };

/// One distinct answer that rounds gave. `category` is -1 when unparsed, -2 when a story was asked for and
/// this is none. Cut answers are never parsed, except stories, which are read as far as they go.
struct AnswerCount {
  int32_t category;
  uint64_t count;
  double log_prob;  // of the whole answer under the model, natural logarithm
  Finish finish;
  std::string text;
};

/// The histogram of one prompt's rounds and the exact shares by expansion.
struct PromptResult {
  int32_t subject = 0;
  int32_t wording = 0;
  std::vector<uint64_t> counts;      // [K+2]: categories, unparsed, cut
  uint64_t no_story = 0;             // further rounds whose answer is no story, where stories are asked for
  uint64_t judge_failed = 0;         // further rounds whose judgement failed, for a judge task
  std::vector<double> steering;      // [K] raw probabilities of the steering tokens, not renormalised
  std::vector<double> low;           // [K] probability explored that parses to j
  double unexplored = 1;             // probability not explored; high = low + unexplored
  uint64_t draws_near_boundary = 0;  // draws closer to a boundary of their inversion than the numeric bound
  std::vector<AnswerCount> answers;  // in descending count, then text
  uint64_t unlisted_answers = 0;     // distinct answers that rounds gave but `answers` does not keep
  std::vector<uint64_t> unlisted;    // [K+4] rounds that gave those, by column_of(); empty: none
};

/// The column of K+4 that counts an answer's rounds: as in PromptResult::counts, then not a story, then a
/// failed judgement. Where stories are asked for, none is counted as cut.
size_t column_of(const AnswerCount& answer, size_t categories, bool stories);

/// A prompt's rounds in such a column.
uint64_t& rounds_in(PromptResult& prompt, size_t column);

/// All rounds of a prompt, whatever came of them.
uint64_t rounds_of(const PromptResult& prompt);

/// A measured test set: every prompt, ordered by subject, then wording.
struct MeasureResult {
  int subjects = 0;                   // S
  int wordings = 0;                   // P
  int categories = 0;                 // K
  std::vector<PromptResult> prompts;  // [S * P]
  const PromptResult& at(int subject, int wording) const {
    return prompts[size_t(subject) * wordings + wording];
  }
};

/// The most distinct answers of a subject that are listed; further ones are only counted.
inline constexpr uint64_t most_listed = 10'000;

/// The same per wording: a subject with at most most_listed rounds has all of them listed.
size_t listed_per_wording(int wordings);

/// Keeps only `most` answers on the list: those that most rounds gave, and among equals the most probable.
void keep_most_frequent(PromptResult& prompt, size_t most, bool stories);

/// How a subject's N rounds are spread over P wordings: floor(N/P) each, and one more for each of the first
/// ones.
std::vector<uint64_t> rounds_per_wording(uint64_t rounds, int wordings);

}  // namespace apportion
