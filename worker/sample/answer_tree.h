// Answers to a unit of prompts, grown on one token tree. Drawn rounds and the expansion for exact shares use
// the same nodes, and prompts and paths keep their keys and values, so nothing is computed twice.
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

/// A prompt to be measured. `draw_key` identifies its draws (dataset, test set, subject, wording). The
/// probabilities of `steering_tokens` at the first position are wanted.
struct MeasurePrompt {
  int subject = 0, wording = 0;
  std::vector<int32_t> tokens;
  std::vector<int32_t> steering_tokens;  // [K]; empty if paths stand for categories
  uint64_t rounds = 0;
  std::string draw_key;
};

/// Limits on how much of a unit's answers exists at a time. They are the same on every machine, since the
/// nodes that go through the model together determine the last bits of their numbers.
struct GrowthLimits {
  /// Bytes of keys and values, unless the prompts and config.exact_nodes alone need more. With this much the
  /// 100 rounds of a usual job stay together.
  double cache_bytes = 1610612736;
  int64_t rows = 4096;  // nodes of rounds evaluated together
  /// Nodes waiting for their turn on the host, not counting the next tokens of one node at each depth.
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
  /// Whether to stop following an answer that begins with this text. It then ends there, with the probability
  /// of all answers that begin so. Null: every answer is followed to its end.
  std::function<bool(std::string_view text)> is_enough = nullptr;
  GrowthLimits limits = {};
};

/// Takes an answer to a unit's prompt as soon as it has ended.
using TakeAnswer = std::function<void(size_t prompt, GivenAnswer answer)>;

struct UnitResult {
  std::vector<PromptAnswers> prompts;  // without answers already taken
  int64_t tokens = 0;                  // tokens that went through the model
  double flops = 0;
  int64_t drawn_nodes = 0;  // of these tokens, answers' nodes outside the expansion
  int64_t drawn_once = 0;   // of these, reached by only one round
  int64_t most_slots = 0;   // most slots allocated for keys and values
};

/// The most bytes that measuring the unit takes, without the host's list of the expansion's nodes.
double unit_bytes(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts);

/// A node of the frontier: an answer so far, whose last token has not been followed yet.
struct AnswerNode {
  int prompt;
  int32_t tree_node;  // in the token tree; its keys are computed when it is evaluated, its parent's before
  std::vector<int32_t> answer;  // tokens so far
  double log_prob = 0;
  uint64_t count = 0;  // rounds that reached it
  bool exact = false;  // part of the expansion
};

/// Grows the answers to a unit of prompts, depth by depth: rounds at temperature 1 without truncation, exact
/// shares down to config.exact_threshold for a node and within config.exact_nodes nodes for a prompt (each
/// depth has its part of them and takes the most probable first), and the steering tokens' probabilities. An
/// answer of max_answer_tokens tokens without an end is cut. This class does not look at what answers say. If
/// a depth has more nodes than memory allows, some of them continue to their ends first, which frees their
/// keys' slots, while the others wait. The expansion's nodes are always among the first. measure_units.h puts
/// the rows through the model:
///   while (grows()) { next_rows(), take_hidden(), take_logits() for each piece, finish_depth() }
class AnswerTree {
 public:
  /// `tools` must outlive the tree. Without `take` the result has the answers.
  AnswerTree(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts, TakeAnswer take = nullptr);

  bool grows() const { return !nodes_.empty(); }
  /// The rows of the next depth. Their keys and values go into cache(), starting at slot first_slot().
  TokenRows next_rows();
  KvCache& cache() { return cache_; }
  int64_t first_slot() const { return nodes_.front(); }
  /// Takes the hidden rows that the model made of them: [T, C], float32.
  void take_hidden(const at::Tensor& hidden_TC);
  /// The hidden rows whose logits are wanted, in pieces; piece `index` is [R, C].
  int pieces() const;
  at::Tensor piece(int index) const;
  /// Takes the logits of a piece, [R, V]. Pieces may come in any order.
  void take_logits(int index, const at::Tensor& logits_RV);
  /// Continues with the next depth, or with nodes waiting at an earlier one.
  void finish_depth();
  /// Call it once, when nothing grows any more.
  UnitResult result();

 private:
  /// What one evaluated node leads to.
  struct Followers {
    std::vector<AnswerNode> children;
    std::vector<GivenAnswer> answers;  // that end here
    double lost = 0;                   // probability below the threshold
    uint64_t near_boundary = 0;
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
  /// How many nodes of rounds may be evaluated now together with `exact` nodes of the expansion. It leaves
  /// room for as many at each later depth, and for what the expansion may still need.
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
  std::vector<int32_t> nodes_;                    // of the tree, next to go through the model
  std::vector<AnswerNode> frontier_;              // the nodes that these rows continue
  std::vector<std::vector<AnswerNode>> waiting_;  // by depth, waiting for their turn
  std::vector<int32_t> before_;                   // by depth: size of the tree before its nodes
  std::vector<int64_t> reads_;                    // the row of each node of the frontier
  at::Tensor hidden_;                             // of those rows, [N, C]
  std::vector<Followers> followers_;
  std::vector<int> expansion_;  // nodes of each prompt's expansion evaluated so far
  UnitResult out_;
};

}  // namespace apportion
