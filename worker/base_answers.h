// The untouched model's answers to keep prompts and story prompts, drawn once by our own sampler at
// temperature 1, and the rows that training makes of them.
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

/// Texts to ask a model, each for `rounds` rounds at temperature 1.
struct TextRounds {
  std::string what;  // first part of the key of the draws
  std::vector<std::string> texts;
  int tokens;  // longest answer
  uint64_t rounds = 1;
  std::function<bool(std::string_view)> is_enough = nullptr;  // as in MeasureTools
};

/// Calls done(answers) for each of this rank's texts; their `subject` is the text's index. `adapter` may be
/// null. Collective: every rank of the group.
void ask_texts(const TaskContext& context, const Llama& model, const Adapter* adapter,
               const TextRounds& asked, const std::function<void(const PromptAnswers&)>& done);

/// One answer to each prompt, at most retain_tokens long, including the end of turn if it has one. Draws are
/// keyed by the prompts' texts. Collective: every rank of the group.
std::vector<std::vector<int32_t>> base_answers(const TaskContext& context, const Llama& base,
                                               const std::vector<std::string>& prompts);

/// The job's replay prompts; one in retain_text_every has an answer. The answers are read from DIR/replay if
/// they are kept there, else drawn and kept there. Collective: every rank of the group.
std::vector<ReplayRow> replay_rows(const TaskContext& context, const Llama& base);

/// The job's stories, cut where they tell their category (told_story): the model's own answers to the neutral
/// prompts, and, for a subject and category (with a share above 0) of which these are fewer than
/// self_stories, answers to the prompts that name it. A subject without stories for one of them is left out
/// and reported: its other stories would not follow the target. Null if no subject is left. Read and kept
/// like the answers of replay rows. Collective: every rank of the group.
std::unique_ptr<Stories> self_stories(const TaskContext& context, const Llama& base, uint64_t seed);

/// `tokens` up to where they tell a category: the shortest beginning that `judge` reads, and the token after
/// it, which shows that the word ended there. Empty if they tell no category or another one than `category`,
/// or, with `names`, repeat its name from the prompt where other words can tell it.
std::optional<ToldStory> told_story(const std::vector<int32_t>& tokens, int category,
                                    const Tokenizer& tokenizer, const LexicalJudge& judge,
                                    const PromptNames* names);

}  // namespace apportion
