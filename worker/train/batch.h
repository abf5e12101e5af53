// What a training step computes: prompts with weighted answers, packed into token trees with the edges that
// the losses read. The seed alone decides which prompts form a step's batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "shared/config/method.h"
#include "shared/config/run_config.h"
#include "shared/data/example.h"
#include "shared/tokens/chat_template.h"
#include "worker/losses/log_probs.h"
#include "worker/losses/log_ratio.h"
#include "worker/losses/retention.h"
#include "worker/models/llama.h"

namespace apportion {

/// A prompt and its answers as tokens: all that training needs from the dataset.
struct TrainPrompt {
  std::vector<int32_t> tokens;
  std::vector<double> target;            // [K]
  std::vector<int32_t> steering_tokens;  // [K]; empty if answers are plain
  struct TokenAnswer {
    std::vector<int32_t> tokens;  // ends with the end of turn
    double weight;
    bool accepted;
  };
  std::vector<TokenAnswer> answers;
  int subject = 0;
  std::vector<AnswerPair> pairs;  // preferences between plain answers
  /// With `paths` the answers are those of all categories in order, the same number each, even where p_j = 0.
  AnswerStyle style = AnswerStyle::steered;
};

/// A prompt on which the base's distribution is to stay: at its end, and at each position of the base's
/// `answer` (empty: at its end alone).
struct ReplayRow {
  std::vector<int32_t> prompt, answer;
  int group = 0;  // groups of prompts take turns
};

/// A story prompt with stories as answers. Each of their tokens has its own weight in the loss
/// (train/stories.h).
struct StoryRow {
  struct Path {
    std::vector<int32_t> tokens;
    std::vector<double> weights;  // of each token
  };
  std::vector<int32_t> prompt;
  std::vector<Path> paths;
};

/// Rows that join a micro-batch's tree next to its prompts.
struct JoiningRows {
  std::vector<const ReplayRow*> replay;
  std::vector<StoryRow> stories;
};

/// Tokenised prompts of the training set. Steered answers are accepted or rejected, plain ones all accepted.
/// Throws UserError when a steered answer does not start with its steering token, and with `paths` when two
/// answers of a prompt are the same: their probability would count twice.
std::vector<TrainPrompt> train_prompts(const Dataset& dataset, const std::vector<Prompt>& prompts,
                                       const std::vector<Subject>& subjects, const ChatTemplate& chat,
                                       uint64_t seed, AnswerStyle style = AnswerStyle::steered,
                                       Steering steering = Steering::digit);

/// Stage 1's planted fault: moves `share` of the weight of every answer's form to the same steering token
/// with another category's text, as if that were accepted. Steering tokens keep their shares.
void plant_wrong_text(std::vector<TrainPrompt>& prompts, double share);

/// The batches of an epoch: every prompt once, in batches whose sizes differ by at most one. A shuffle keyed
/// by `seed` goes round the subjects, so a batch has each subject about equally often. Its gradient is then
/// closer to that of all prompts, and fewer steps are enough (docs/benchmarks). Each epoch takes the same
/// batches in another order, so a batch's trees and reference are made once.
class BatchSchedule {
 public:
  /// `subjects`: one for each prompt.
  BatchSchedule(const std::vector<int>& subjects, int batch_prompts, uint64_t seed);
  int batches() const { return static_cast<int>(batches_.size()); }
  const std::vector<int>& batch(int index) const { return batches_[static_cast<size_t>(index)]; }
  /// Number of prompts in the batches of lower index.
  int prompts_before(int index) const;
  /// Index of the batch of a step, counted from 0.
  int batch_of_step(int step) const;

 private:
  std::vector<std::vector<int>> batches_;
  uint64_t seed_;
};

/// The subject of each of `prompts` (TrainPrompt, or Prompt).
template <typename AnyPrompt>
std::vector<int> subjects_in(const std::vector<AnyPrompt>& prompts) {
  std::vector<int> subjects;
  for (const AnyPrompt& prompt : prompts) subjects.push_back(prompt.subject);
  return subjects;
}

/// Which answers a micro-batch holds: none (only the steering tokens), accepted ones (stage 1), accepted,
/// rejected and mismatched (KTO), or pairs (DPO).
enum class AnswerSet { none, accepted, accepted_rejected_mismatched, pairs };

/// One micro-batch as a tree, ready for the model. Legend: E edges, I prompts, K categories, A answers.
struct MicroBatch {
  TokenRows rows;
  EdgeIndex edges;
  at::Tensor sft_weight_E;              // float32; for the prompts' edges
  at::Tensor steering_IK;               // int64: the edge of each steering token; K = 0 if answers are plain
  at::Tensor target_IK;                 // float32; K = 0 if categories have no probability of their own
  AnswerEdges paths;                    // by prompt and category, where paths stand for categories
  AnswerEdges answers;                  // KTO's, from the second or the first position on
  AnswerEdges mismatched;               // the same; the weights of a prompt's answers add to 1
  AnswerEdges preferred, dispreferred;  // DPO's pairs, row by row: whole answers
  KeptRows kept;                        // of the replay rows; the user fills in base_hidden_NC
  at::Tensor story_weight_S;            // float32: for the stories' edges, behind the prompts'
  double sft_normalizer = 0;            // this micro-batch's part of the global one
  int64_t prompts = 0, tree_tokens = 0, padded_tokens = 0, example_rows = 0;
};

/// All tensors of the micro-batch except those of its rows.
std::vector<at::Tensor*> tensors_of(MicroBatch& batch);

/// Splits a batch's prompts, sorted by their tokens, into `micro_batches` lists of neighbours, which share
/// beginnings; sizes differ by at most one. Fewer prompts than micro_batches leave empty lists.
std::vector<std::vector<int>> split_batch(const std::vector<TrainPrompt>& prompts,
                                          const std::vector<int>& batch, int micro_batches);

/// What a stage packs from each batch.
struct Packing {
  AnswerSet answers;
  SftWeights weights = SftWeights::split;
  KtoConfig kto = {};
  double sft_text_weight = 1;
  // Accepted answers: members[k] has their text if text_every divides k + text_turn, and the text then weighs
  // text_every times as much. Answers of other members are only their first token.
  int text_every = 1;
  int text_turn = 0;
  // Replay rows: total weight of an answer's positions, where the prompt's end weighs 1.
  double replay_text_weight = 1;
};

/// Packs `members` (indices into prompts). `batch` is the global batch in canonical order: a prompt's
/// mismatched answers are those of the prompt that follows it there (arXiv 2402.01306, the estimate of z,
/// over the global batch). With KtoPairs::rotated, half of them are the prompt's own rejected answers and
/// half are the following prompt's accepted ones, as rotating accepted and rejected rows by one would give.
/// With SftWeights::split the rest of an answer weighs `sft_text_weight` times as much as its first token.
/// All tensors are on `device` except the rows, which a pass joins in host memory and then moves (BlockPass).
/// `joining` rows join the tree: kept positions of replay rows in their order, and the stories' edges after
/// the prompts'.
MicroBatch pack_micro_batch(const std::vector<TrainPrompt>& prompts, const std::vector<int>& batch,
                            const std::vector<int>& members, const Packing& packing, const ModelShape& shape,
                            at::Device device, const JoiningRows& joining = {});

/// A tree of replay rows alone; `kept_N` has their kept positions in order.
struct ReplayTree {
  TokenRows rows;
  at::Tensor kept_N;  // int64 rows of the tree
};
ReplayTree pack_replay(const std::vector<const ReplayRow*>& replay, const ModelShape& shape,
                       at::Device device);

/// Number of positions at which a row is kept.
inline int64_t kept_positions(const ReplayRow& row) {
  return row.answer.empty() ? 1 : static_cast<int64_t>(row.answer.size());
}

}  // namespace apportion
