// Answers to a unit of prompts, grown on one token tree: rounds drawn down it and exact shares by expansion
// share every node, and prompts and paths keep their keys and values, so nothing is computed twice.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/measure/answers.h"
#include "shared/tokens/tokenizer.h"
#include "worker/models/llama.h"

namespace apportion {

/// A prompt to be measured. `draw_key` says what its draws are for (dataset, test set, subject, wording).
/// Of `steering_tokens` the probabilities at the first position are wanted.
struct MeasurePrompt {
  int subject = 0, wording = 0;
  std::vector<int32_t> tokens;
  std::vector<int32_t> steering_tokens;  // [K]; none where paths stand for categories
  uint64_t rounds = 0;
  std::string draw_key;
};

/// How much of a unit's answers is there at one time. They are the same on every machine: which nodes go
/// through the model together decides about the last bits of their numbers.
struct GrowthLimits {
  /// Of keys and values, unless the prompts and config.exact_nodes alone need more. So much is enough for the
  /// 100 rounds of a usual job to stay together.
  double cache_bytes = 1610612736;
  int64_t rows = 4096;  // nodes of rounds that are evaluated together
  /// Nodes that wait for their turn on the host, but for the next tokens of one node of each depth.
  uint64_t waiting = 2097152;
};

/// What measuring needs besides prompts.
struct MeasureTools {
  const Llama& model;
  const Adapter* adapter;  // may be null
  const Tokenizer& tokenizer;
  int32_t end_of_turn;
  MeasureConfig config;
  uint64_t seed;
  /// Whether an answer that begins with this text is followed no further. It then ends there, with the
  /// probability of all that begin so. None: every answer is followed to its end.
  std::function<bool(std::string_view text)> is_enough = nullptr;
  GrowthLimits limits = {};
};

/// Takes an answer to a unit's prompt as soon as it has ended.
using TakeAnswer = std::function<void(size_t prompt, GivenAnswer answer)>;

struct UnitResult {
  std::vector<PromptAnswers> prompts;  // without the answers that were taken before
  int64_t tokens = 0;                  // tokens that went through the model
  double flops = 0;
  int64_t drawn_nodes = 0, drawn_once = 0;  // nodes that rounds came to; that one round came to
  int64_t most_slots = 0;                   // of keys and values that there was room for
};

/// Bytes that measuring the unit takes at most, but for the host's list of the expansion's nodes.
double unit_bytes(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts);

/// A node of the frontier: an answer so far, its last token not yet followed.
struct AnswerNode {
  int prompt;
  int32_t tree_node;  // in the token tree: its parent's keys are computed, its own when it is evaluated
  std::vector<int32_t> answer;  // tokens so far
  double log_prob = 0;
  uint64_t count = 0;  // rounds that came here
  bool exact = false;  // part of the expansion
};

/// The answers to a unit of prompts, depth by depth: rounds at temperature 1 with nothing truncated, exact
/// shares down to config.exact_threshold per node and within config.exact_nodes nodes per prompt (the most
/// probable first at each depth, of which each has its part of them), steering tokens' probabilities. An
/// answer of max_answer_tokens tokens without an end is cut. What answers say is not looked at here. Where a
/// depth has more nodes than memory is meant for, some of them go on to their ends first and the others wait;
/// their keys' place is then free. All nodes of the expansion are among the first. measure_units.h puts the
/// rows through the model:
///   while (grows()) { next_rows(), take_hidden(), take_logits() for each piece, finish_depth() }
class AnswerTree {
 public:
  /// `tools` must outlive the tree. Without `take` the result has the answers.
  AnswerTree(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts, TakeAnswer take = nullptr);

  bool grows() const { return !nodes_.empty(); }
  /// The rows of the next depth; their keys and values go into cache() from slot first_slot() on.
  TokenRows next_rows();
  KvCache& cache() { return cache_; }
  int64_t first_slot() const { return nodes_.front(); }
  /// What came of them: [T, C], float32.
  void take_hidden(const at::Tensor& hidden_TC);
  /// Of these the rows whose logits are wanted, in pieces; piece `index` is [R, C].
  int pieces() const;
  at::Tensor piece(int index) const;
  /// Logits of a piece, [R, V]. Pieces may come in any order.
  void take_logits(int index, const at::Tensor& logits_RV);
  /// Goes on to the next depth, or to nodes that wait at an earlier one.
  void finish_depth();
  /// When nothing grows any more; once.
  UnitResult result();

 private:
  /// What one evaluated node leads to.
  struct Followers {
    std::vector<AnswerNode> children;
    std::vector<GivenAnswer> answers;  // that end here
    double lost = 0;                   // probability below the threshold
    uint64_t near_boundary = 0;
    int64_t drawn = 0, once = 0;  // of those that follow: rounds came there, one did
  };
  const std::vector<int32_t>& steering(int prompt) const {
    return prompts_[static_cast<size_t>(prompt)].steering_tokens;
  }
  PromptAnswers& result_of(int prompt) { return out_.prompts[static_cast<size_t>(prompt)]; }
  void add_prompt(size_t index, int32_t end);
  Followers follow_row(const AnswerNode& node, const float* log_probs, const float* probs,
                       int64_t vocabulary);
  template <typename Child>
  void expand(const AnswerNode& node, const float* probs, int64_t vocabulary, Child& child,
              Followers& out) const;
  bool is_enough(const AnswerNode& node) const;
  GivenAnswer answer_of(const AnswerNode& node, Finish finish) const;
  void collect(const AnswerNode& node, Followers& followers, std::vector<AnswerNode>& next);
  std::vector<AnswerNode> within_budget(std::vector<AnswerNode> next);
  int budget_left(size_t prompt) const;
  void end(int prompt, GivenAnswer answer);
  /// Nodes of rounds that may be evaluated now beside so many of the expansion, so that as many of each later
  /// depth, and what the expansion may still need, have room, too.
  int64_t room(int64_t exact) const;
  std::vector<AnswerNode> next_nodes();
  void evaluate_next();

  const MeasureTools& tools_;
  std::vector<MeasurePrompt> prompts_;
  TakeAnswer take_;
  TokenTree tree_;
  int64_t most_slots_;
  KvCache cache_;
  int depth_ = 0;
  std::vector<int32_t> nodes_;                    // of the tree, to be put through the model next
  std::vector<AnswerNode> frontier_;              // whose next tokens they tell
  std::vector<std::vector<AnswerNode>> waiting_;  // of each depth, for their turn
  std::vector<int32_t> before_;                   // of each depth: the tree's nodes before those of it
  std::vector<int64_t> reads_;                    // the row of each node of the frontier
  at::Tensor hidden_;                             // of those rows, [N, C]
  std::vector<Followers> followers_;
  std::vector<int> expansion_;  // nodes of each prompt's expansion that were or are evaluated
  UnitResult out_;
};

}  // namespace apportion
