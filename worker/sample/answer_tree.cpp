#include "worker/sample/answer_tree.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "shared/base/error.h"
#include "shared/model/cost.h"
#include "worker/losses/log_probs.h"
#include "worker/sample/rounds.h"

namespace apportion {
namespace {

constexpr int64_t logits_chunk = 256;  // rows of the vocabulary product at a time

/// A node of the frontier: an answer so far, its last token not yet followed.
struct Node {
  int prompt;
  int32_t tree_node;  // in the token tree: its parent's keys are computed, its own when it is evaluated
  std::vector<int32_t> answer;  // tokens so far
  double log_prob = 0;
  uint64_t count = 0;  // rounds that came here
  bool exact = false;  // part of the expansion
};

/// What one evaluated node leads to.
struct Followers {
  std::vector<Node> children;
  std::vector<AnswerCount> answers;
  std::vector<double> low;  // [K]
  double lost = 0;          // probability below the threshold
  double ended = 0;         // probability of explored answers that end here, parsed or not
  uint64_t near_boundary = 0;
};

/// How far the expansion of a prompt's answers has come.
struct Expansion {
  int evaluated = 0;  // nodes
  double ended = 0;   // probability of answers that ended
};

class AnswerTree {
 public:
  AnswerTree(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts)
      : tools_(tools),
        prompts_(prompts),
        cache_(tools.model.shape(), tools.model.compute_type(), tools.model.device()) {}

  UnitResult grow() {
    std::vector<Node> frontier = evaluate_prompts();
    for (int depth = 1; !frontier.empty() && depth < tools_.config.max_answer_tokens; ++depth) {
      frontier = evaluate(frontier);
    }
    for (const Node& node : frontier) cut(node);
    finish();
    return std::move(out_);
  }

 private:
  const std::vector<int32_t>& steering(int prompt) const {
    return prompts_[static_cast<size_t>(prompt)].steering_tokens;
  }
  PromptResult& result(int prompt) { return out_.prompts[static_cast<size_t>(prompt)]; }

  at::Tensor run(const std::vector<int32_t>& nodes, int64_t block_rows) {
    TokenRows rows =
        token_rows(tree_, nodes, block_rows, tools_.model.shape().context_length, tools_.model.device());
    out_.tokens += rows.count;
    const int64_t adapter_parameters = tools_.adapter ? tools_.adapter->parameters() : 0;
    out_.flops += forward_flops(tools_.model.shape(), adapter_parameters, {rows.count, rows.plan.pairs, 0});
    return tools_.model.hidden(rows, tools_.adapter, &cache_, nodes.front());
  }

  /// All prompts as one tree in depth-first order, and each one's first position.
  std::vector<Node> evaluate_prompts() {
    TokenTree packed;
    std::vector<int32_t> ends, new_index;
    for (const MeasurePrompt& prompt : prompts_) ends.push_back(packed.add_path(no_node, prompt.tokens));
    tree_ = packed.depth_first(new_index);
    std::vector<int32_t> nodes(static_cast<size_t>(tree_.size()));
    std::iota(nodes.begin(), nodes.end(), 0);
    at::Tensor hidden = run(nodes, packed_block_rows);

    std::vector<Node> roots;
    std::vector<int64_t> rows;
    for (size_t p = 0; p < prompts_.size(); ++p) {
      const MeasurePrompt& prompt = prompts_[p];
      const int32_t end = new_index[static_cast<size_t>(ends[p])];
      roots.push_back({static_cast<int>(p), end, {}, 0, prompt.rounds, tools_.config.exact_nodes > 0});
      rows.push_back(end);
      PromptResult& out = out_.prompts.emplace_back();
      out.subject = prompt.subject;
      out.wording = prompt.wording;
      out.counts.assign(prompt.steering_tokens.size() + 2, 0);
      out.steering.assign(prompt.steering_tokens.size(), 0.0);
      out.low.assign(prompt.steering_tokens.size(), 0.0);
      out.unexplored = tools_.config.exact_nodes > 0 ? 0 : 1;
    }
    expansion_.assign(prompts_.size(), {1, 0.0});
    return follow(roots, hidden.index_select(0, at::tensor(rows, at::kLong).to(hidden.device())));
  }

  std::vector<Node> evaluate(std::vector<Node>& frontier) {
    std::vector<int32_t> nodes;
    for (Node& node : frontier) {
      node.tree_node = tree_.append(node.tree_node, node.answer.back());
      nodes.push_back(node.tree_node);
    }
    return follow(frontier, run(nodes, growing_block_rows).narrow(0, 0, static_cast<int64_t>(nodes.size())));
  }

  /// Next-token distributions of `nodes` (hidden_NC row by row), and what follows from them.
  std::vector<Node> follow(const std::vector<Node>& nodes, const at::Tensor& hidden_NC) {
    std::vector<Followers> followers(nodes.size());
    out_.flops += forward_flops(tools_.model.shape(), 0, {0, 0, hidden_NC.size(0)});
    for (int64_t first = 0; first < hidden_NC.size(0); first += logits_chunk) {
      const int64_t count = std::min(logits_chunk, hidden_NC.size(0) - first);
      at::Tensor log_probs = logits_of(tools_.model, hidden_NC.narrow(0, first, count)).log_softmax(-1);
      at::Tensor host = log_probs.cpu().contiguous(), probs = host.exp();
      const int64_t vocabulary = host.size(1);
      at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const auto index = static_cast<size_t>(first + row);
          followers[index] = follow_row(nodes[index], host.data_ptr<float>() + row * vocabulary,
                                        probs.data_ptr<float>() + row * vocabulary, vocabulary);
        }
      });
    }
    std::vector<Node> next;
    for (size_t i = 0; i < nodes.size(); ++i) collect(nodes[i], followers[i], next);
    return within_budget(std::move(next));
  }

  Followers follow_row(const Node& node, const float* log_probs, const float* probs, int64_t vocabulary) {
    Followers out;
    out.low.assign(steering(node.prompt).size(), 0.0);
    if (node.answer.empty()) {
      for (size_t j = 0; j < out.low.size(); ++j) {
        result(node.prompt).steering[j] = probs[steering(node.prompt)[j]];
      }
    }
    std::map<int32_t, Node> children;
    auto child = [&](int32_t token) -> Node& {
      auto [entry, added] = children.try_emplace(token, node);
      if (added) {
        entry->second.answer.push_back(token);
        entry->second.log_prob += log_probs[token];
        entry->second.count = 0;
        entry->second.exact = false;
      }
      return entry->second;
    };
    if (node.exact) expand(node, probs, vocabulary, child, out);
    if (node.count > 0) {
      CounterRng rng(tools_.seed,
                     prompts_[static_cast<size_t>(node.prompt)].draw_key + path_text(node.answer));
      SplitCounts split = split_rounds(node.count, probs, vocabulary, rng);
      out.near_boundary = split.near_boundary;
      for (const auto& [token, count] : split.count_of_token) child(token).count = count;
    }
    for (auto& [token, followed] : children) {
      if (token == tools_.end_of_turn) {
        end(node, followed, out);
      } else {
        out.children.push_back(std::move(followed));
      }
    }
    return out;
  }

  /// Marks the children that are probable enough; the rest of the node's probability is lost.
  template <typename Child>
  void expand(const Node& node, const float* probs, int64_t vocabulary, Child& child, Followers& out) const {
    const double own = std::exp(node.log_prob);
    const auto least = static_cast<float>(tools_.config.exact_threshold / own);
    double kept = 0;
    for (int64_t token = 0; token < vocabulary; ++token) {
      if (probs[token] < least) continue;
      kept += probs[token];
      child(static_cast<int32_t>(token)).exact = true;
    }
    out.lost += own * std::max(0.0, 1 - kept);
  }

  void end(const Node& node, const Node& ended, Followers& out) const {
    const std::string text = tools_.tokenizer.decode(node.answer);
    const int category = tools_.parser.parse(text);
    if (ended.exact) out.ended += std::exp(ended.log_prob);
    if (ended.exact && category != unparsed)
      out.low[static_cast<size_t>(category)] += std::exp(ended.log_prob);
    if (ended.count > 0) out.answers.push_back({category, ended.count, ended.log_prob, Finish::end, text});
  }

  void collect(const Node& node, Followers& followers, std::vector<Node>& next) {
    PromptResult& out = result(node.prompt);
    for (size_t j = 0; j < followers.low.size(); ++j) out.low[j] += followers.low[j];
    out.unexplored += followers.lost;
    expansion_[static_cast<size_t>(node.prompt)].ended += followers.ended;
    out.draws_near_boundary += followers.near_boundary;
    for (AnswerCount& answer : followers.answers) {
      out.counts[answer.category == unparsed ? out.low.size() : static_cast<size_t>(answer.category)] +=
          answer.count;
      out.answers.push_back(std::move(answer));
    }
    for (Node& child : followers.children) next.push_back(std::move(child));
  }

  /// Keeps each prompt's expansion within its budget of nodes: the most probable children go on, the
  /// probability of the others is unexplored.
  std::vector<Node> within_budget(std::vector<Node> next) {
    std::vector<std::vector<size_t>> exact(prompts_.size());
    for (size_t i = 0; i < next.size(); ++i) {
      if (next[i].exact) exact[static_cast<size_t>(next[i].prompt)].push_back(i);
    }
    for (size_t p = 0; p < exact.size(); ++p) {
      std::vector<size_t>& list = exact[p];
      std::stable_sort(list.begin(), list.end(),
                       [&](size_t a, size_t b) { return next[a].log_prob > next[b].log_prob; });
      const int budget = budget_left(p);
      for (size_t place = 0; place < list.size(); ++place) {
        Node& node = next[list[place]];
        node.exact = static_cast<int64_t>(place) < budget;
        if (!node.exact) out_.prompts[p].unexplored += std::exp(node.log_prob);
        expansion_[p].evaluated += node.exact ? 1 : 0;
      }
    }
    std::erase_if(next, [](const Node& node) { return node.count == 0 && !node.exact; });
    return next;
  }

  /// Nodes that a prompt's expansion may still evaluate: a quarter of all until answers are seen to end, and
  /// none once most of the probability is out of reach. An untouched model's answers spread so wide that more
  /// would tell nothing.
  int budget_left(size_t prompt) const {
    constexpr double most_unexplored = 0.5, least_ended = 0.02;
    if (out_.prompts[prompt].unexplored > most_unexplored) return 0;
    const Expansion& expansion = expansion_[prompt];
    const int all = tools_.config.exact_nodes;
    return (expansion.ended < least_ended ? (all + 3) / 4 : all) - expansion.evaluated;
  }

  void cut(const Node& node) {
    if (node.count == 0) return;
    PromptResult& out = result(node.prompt);
    out.counts.back() += node.count;
    out.answers.push_back(
        {unparsed, node.count, node.log_prob, Finish::cut, tools_.tokenizer.decode(node.answer)});
  }

  void finish() {
    for (PromptResult& out : out_.prompts) {
      out.unexplored = std::clamp(out.unexplored, 0.0, 1.0);
      std::sort(out.answers.begin(), out.answers.end(), [](const AnswerCount& a, const AnswerCount& b) {
        return std::tie(b.count, a.text, a.log_prob) < std::tie(a.count, b.text, b.log_prob);
      });
    }
  }

  static std::string path_text(const std::vector<int32_t>& answer) {
    std::string text;
    for (int32_t token : answer) text += '/' + std::to_string(token);
    return text;
  }

  const MeasureTools& tools_;
  const std::vector<MeasurePrompt>& prompts_;
  TokenTree tree_;
  KvCache cache_;
  std::vector<Expansion> expansion_;  // of each prompt
  UnitResult out_;
};

}  // namespace

UnitResult measure_unit(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts) {
  ensure(!prompts.empty(), "a unit has prompts");
  at::NoGradGuard no_gradient;
  return AnswerTree(tools, prompts).grow();
}

}  // namespace apportion
