// What the untouched model answers to keep prompts and to story prompts, drawn by our own sampler at
// temperature 1, once; and the rows that training makes of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/data/keep.h"
#include "shared/measure/answers.h"
#include "shared/measure/lexical_judge.h"
#include "worker/tasks.h"
#include "worker/train/batch.h"
#include "worker/train/stories.h"

namespace apportion {

/// Texts that are put to a model, each in so many rounds, at temperature 1.
struct TextRounds {
  std::string what;  // begins the key of the draws
  std::vector<std::string> texts;
  int tokens;  // longest answer
  uint64_t rounds = 1;
  std::function<bool(std::string_view)> is_enough = nullptr;  // as MeasureTools has it
};

/// done(answers) for each text that is this rank's, `subject` being the text's index. `adapter` may be null.
/// Collective: every rank of the group.
void ask_texts(const TaskContext& context, const Llama& model, const Adapter* adapter,
               const TextRounds& asked, const std::function<void(const PromptAnswers&)>& done);

/// One answer to each prompt, at most retain_tokens long, its end of turn included where it has one. Draws
/// are keyed by the prompts' texts. Collective: every rank of the group.
std::vector<std::vector<int32_t>> base_answers(const TaskContext& context, const Llama& base,
                                               const std::vector<std::string>& prompts);

/// The job's replay prompts; one of retain_text_every has an answer. The answers are read from DIR/replay
/// where they are kept, and kept there. Collective: every rank of the group.
std::vector<ReplayRow> replay_rows(const TaskContext& context, const Llama& base);

/// The job's stories: of each subject, for each category with a share above 0, what was drawn with the
/// category named and tells it, up to there. A subject that lacks a category's has none, and is said to: its
/// other stories would not follow the target. Null where no subject is left. Read and kept as replay rows'
/// answers are. Collective likewise.
std::unique_ptr<Stories> self_stories(const TaskContext& context, const Llama& base, uint64_t seed);

/// `tokens` up to where they tell a category: the shortest beginning that `judge` reads, and the token
/// behind, which shows that the word ended there. Nothing where that is another one than `category`.
std::optional<ToldStory> told_story(const std::vector<int32_t>& tokens, int category,
                                    const Tokenizer& tokenizer, const LexicalJudge& judge);

}  // namespace apportion
