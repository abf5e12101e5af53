#include "worker/sample/answer_tree.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "shared/base/error.h"
#include "shared/measure/rounds.h"
#include "shared/model/cost.h"
#include "worker/device_memory.h"
#include "worker/losses/log_probs.h"
#include "worker/models/queued_copy.h"

namespace apportion {
namespace {

constexpr int64_t piece_rows = 256;   // rows of one vocabulary product
constexpr int64_t fewest_nodes = 64;  // of rounds, evaluated together however little room there is

/// Slots for the keys of a unit's prompts and answers: no more than each round and each node of the expansion
/// can need.
int64_t most_slots(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts) {
  const int64_t depths = std::max(1, tools.config.max_answer_tokens - 1);
  int64_t own = 0;  // for prompts and the expansion
  double rounds = 0;
  for (const MeasurePrompt& prompt : prompts) {
    own += static_cast<int64_t>(prompt.tokens.size()) + tools.config.exact_nodes;
    rounds += static_cast<double>(prompt.rounds);
  }
  const double needed = static_cast<double>(own) + rounds * static_cast<double>(depths);
  const double most =
      tools.limits.cache_bytes / KvCache::slot_bytes(tools.model.shape(), tools.model.compute_type());
  return std::max(own + std::min(fewest_nodes, static_cast<int64_t>(rounds)) * depths,
                  static_cast<int64_t>(std::min(most, needed)));
}

}  // namespace

double unit_bytes(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts) {
  constexpr double bytes_of_number = 4, copies_of_logits = 3, copies_of_node = 2;
  const ModelShape& shape = tools.model.shape();
  double rounds = 0, exact = 0, tokens = 0;
  for (const MeasurePrompt& prompt : prompts) {
    rounds += static_cast<double>(prompt.rounds);
    exact += tools.config.exact_nodes;
    tokens += static_cast<double>(prompt.tokens.size());
  }
  const double rows = std::max(tokens, exact + std::min(rounds, static_cast<double>(tools.limits.rows)));
  const auto row_numbers = static_cast<double>(6 * shape.width + 3 * shape.ffn_width);  // a row in a block
  const double node = sizeof(AnswerNode) + bytes_of_number * tools.config.max_answer_tokens;
  return static_cast<double>(most_slots(tools, prompts)) *
             KvCache::slot_bytes(shape, tools.model.compute_type()) +
         rows * row_numbers * bytes_of_number +
         std::min(rounds, static_cast<double>(tools.limits.waiting)) * node * copies_of_node +
         static_cast<double>(piece_rows * shape.vocabulary) * bytes_of_number * copies_of_logits;
}

/// Puts all prompts into one tree in depth-first order; the frontier is each prompt's first answer position.
AnswerTree::AnswerTree(const MeasureTools& tools, const std::vector<MeasurePrompt>& prompts, TakeAnswer take)
    : tools_(tools),
      prompts_(prompts),
      take_(std::move(take)),
      most_slots_(most_slots(tools, prompts)),
      cache_(tools.model.shape(), tools.model.compute_type(), tools.model.device()) {
  ensure(!prompts_.empty(), "a unit has prompts");
  TokenTree packed;
  std::vector<int32_t> ends, new_index;
  for (const MeasurePrompt& prompt : prompts_) ends.push_back(packed.add_path(no_node, prompt.tokens));
  tree_ = packed.depth_first(new_index);
  nodes_.resize(static_cast<size_t>(tree_.size()));
  std::iota(nodes_.begin(), nodes_.end(), 0);
  for (size_t p = 0; p < prompts_.size(); ++p) add_prompt(p, new_index[static_cast<size_t>(ends[p])]);
  expansion_.assign(prompts_.size(), 1);
}

void AnswerTree::add_prompt(size_t index, int32_t end) {
  const MeasurePrompt& prompt = prompts_[index];
  const bool exact = tools_.config.exact_nodes > 0;
  frontier_.push_back({static_cast<int>(index), end, {}, 0, prompt.rounds, exact});
  reads_.push_back(end);
  PromptAnswers& out = out_.prompts.emplace_back();
  out.subject = prompt.subject;
  out.wording = prompt.wording;
  out.draw_key = prompt.draw_key;
  out.first_tokens.assign(prompt.steering_tokens.size(), 0.0);
  out.unexplored = exact ? 0 : 1;
}

TokenRows AnswerTree::next_rows() {
  TokenRows rows = token_rows(tree_, nodes_, depth_ == 0 ? packed_block_rows : growing_block_rows,
                              tools_.model.shape(), tools_.model.device());
  const int64_t before = cache_.capacity();
  cache_.reserve(rows.plan.slots, most_slots_);
  // The allocator keeps the old cache's memory for later tensors; with a large cache that would be as much
  // again.
  constexpr double large = 134217728;
  const double bytes =
      KvCache::slot_bytes(tools_.model.shape(), tools_.model.compute_type()) * static_cast<double>(before);
  if (cache_.capacity() > before && bytes > large) release_unused_memory();
  out_.most_slots = cache_.capacity();
  out_.tokens += rows.count;
  const int64_t adapter_parameters = tools_.adapter ? tools_.adapter->parameters() : 0;
  out_.flops += forward_flops(tools_.model.shape(), adapter_parameters, {rows.count, rows.plan.pairs, 0});
  return rows;
}

void AnswerTree::take_hidden(const at::Tensor& hidden_TC) {
  hidden_ = hidden_TC.index_select(0, queued_copy(at::tensor(reads_, at::kLong), hidden_TC.device()));
  followers_.assign(frontier_.size(), {});
  out_.flops += forward_flops(tools_.model.shape(), 0, {0, 0, hidden_.size(0)});
}

int AnswerTree::pieces() const { return static_cast<int>((hidden_.size(0) + piece_rows - 1) / piece_rows); }

at::Tensor AnswerTree::piece(int index) const {
  const int64_t first = index * piece_rows;
  return hidden_.narrow(0, first, std::min(piece_rows, hidden_.size(0) - first));
}

void AnswerTree::take_logits(int index, const at::Tensor& logits_RV) {
  at::Tensor host = logits_RV.log_softmax(-1).cpu().contiguous(), probs = host.exp();
  const int64_t vocabulary = host.size(1), first = index * piece_rows;
  at::parallel_for(0, host.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto place = static_cast<size_t>(first + row);
      followers_[place] = follow_row(frontier_[place], host.data_ptr<float>() + row * vocabulary,
                                     probs.data_ptr<float>() + row * vocabulary, vocabulary);
    }
  });
}

void AnswerTree::finish_depth() {
  std::vector<AnswerNode> next;
  for (size_t i = 0; i < frontier_.size(); ++i) collect(frontier_[i], followers_[i], next);
  hidden_.reset();
  followers_.clear();
  next = within_budget(std::move(next));
  const int depth = depth_ + 1;
  if (depth >= tools_.config.max_answer_tokens) {
    for (const AnswerNode& node : next) end(node.prompt, answer_of(node, Finish::cut));
  } else {
    const auto count = static_cast<size_t>(depth) + 1;
    waiting_.resize(count);
    before_.resize(count);
    waiting_.back() = std::move(next);
    before_.back() = tree_.size();
  }
  evaluate_next();
}

/// The deepest nodes continue first, as their memory is freed soonest.
void AnswerTree::evaluate_next() {
  nodes_.clear();
  reads_.clear();
  frontier_.clear();
  while (!waiting_.empty() && waiting_.back().empty()) waiting_.pop_back();
  if (waiting_.empty()) return;
  depth_ = static_cast<int>(waiting_.size()) - 1;
  tree_.truncate(before_[waiting_.size() - 1]);
  frontier_ = next_nodes();
  for (AnswerNode& node : frontier_) {
    node.tree_node = tree_.append(node.tree_node, node.answer.back());
    reads_.push_back(static_cast<int64_t>(nodes_.size()));
    nodes_.push_back(node.tree_node);
    out_.drawn_nodes += node.exact ? 0 : 1;
    out_.drawn_once += !node.exact && node.count == 1 ? 1 : 0;
  }
}

int64_t AnswerTree::room(int64_t exact) const {
  int64_t free = most_slots_ - tree_.size() - exact;
  for (size_t p = 0; exact > 0 && p < prompts_.size(); ++p) {
    free -= std::max(0, tools_.config.exact_nodes - expansion_[p]);
  }
  const int64_t rows = free / std::max(1, tools_.config.max_answer_tokens - depth_);
  return std::max(fewest_nodes, std::min(rows, tools_.limits.rows));
}

/// All nodes waiting at the deepest depth, if they and their followers have room; otherwise those of the
/// expansion and some of the others.
std::vector<AnswerNode> AnswerTree::next_nodes() {
  std::vector<AnswerNode>& waiting = waiting_.back();
  int64_t exact = 0;
  for (const AnswerNode& node : waiting) exact += node.exact ? 1 : 0;
  const auto drawn = static_cast<int64_t>(waiting.size()) - exact;
  const int64_t most = room(exact);
  const auto vocabulary = static_cast<uint64_t>(tools_.model.shape().vocabulary);
  auto children = [&](const AnswerNode& node) { return std::min(node.count, vocabulary); };
  uint64_t likely = 0, held = 0;
  for (const AnswerNode& node : waiting) likely += children(node);
  for (const auto& nodes : waiting_) held += nodes.size();
  const uint64_t left = tools_.limits.waiting - std::min(tools_.limits.waiting, held);
  if (drawn <= most && likely <= left) return std::exchange(waiting, {});
  const auto first_exact = std::stable_partition(waiting.begin(), waiting.end(),
                                                 [](const AnswerNode& node) { return !node.exact; });
  int64_t taken = 0;
  likely = 0;
  while (taken < std::min(drawn, most)) {
    likely += children(*(first_exact - taken - 1));
    if (taken > 0 && likely > left) break;
    ++taken;
  }
  std::vector<AnswerNode> nodes(std::make_move_iterator(first_exact - taken),
                                std::make_move_iterator(waiting.end()));
  waiting.erase(first_exact - taken, waiting.end());
  if (waiting.size() < waiting.capacity() / 4) waiting.shrink_to_fit();
  return nodes;
}

AnswerTree::Followers AnswerTree::follow_row(const AnswerNode& node, const float* log_probs,
                                             const float* probs, int64_t vocabulary) {
  Followers out;
  if (node.answer.empty()) {
    std::vector<double>& first_tokens = result_of(node.prompt).first_tokens;
    for (size_t j = 0; j < first_tokens.size(); ++j) first_tokens[j] = probs[steering(node.prompt)[j]];
  }
  std::map<int32_t, AnswerNode> children;
  auto child = [&](int32_t token) -> AnswerNode& {
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
    CounterRng rng(tools_.seed, prompts_[static_cast<size_t>(node.prompt)].draw_key + path_text(node.answer));
    SplitCounts split = split_rounds(node.count, probs, vocabulary, rng);
    out.near_boundary += split.near_boundary;
    for (const auto& [token, count] : split.count_of_token) child(token).count = count;
  }
  for (auto& [token, followed] : children) {
    if (token == tools_.end_of_turn || is_enough(followed)) {
      out.answers.push_back(answer_of(followed, Finish::end));
    } else {
      out.children.push_back(std::move(followed));
    }
  }
  return out;
}

/// Marks the children that are probable enough to follow; the rest of the node's probability is lost.
template <typename Child>
void AnswerTree::expand(const AnswerNode& node, const float* probs, int64_t vocabulary, Child& child,
                        Followers& out) const {
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

bool AnswerTree::is_enough(const AnswerNode& node) const {
  return tools_.is_enough && tools_.is_enough(tools_.tokenizer.decode(node.answer));
}

GivenAnswer AnswerTree::answer_of(const AnswerNode& node, Finish finish) const {
  return {node.answer, tools_.tokenizer.decode(node.answer), node.log_prob, node.count, node.exact, finish};
}

void AnswerTree::end(int prompt, GivenAnswer answer) {
  if (take_) {
    take_(static_cast<size_t>(prompt), std::move(answer));
  } else {
    result_of(prompt).answers.push_back(std::move(answer));
  }
}

void AnswerTree::collect(const AnswerNode& node, Followers& followers, std::vector<AnswerNode>& next) {
  PromptAnswers& out = result_of(node.prompt);
  out.unexplored += followers.lost;
  out.draws_near_boundary += followers.near_boundary;
  for (GivenAnswer& answer : followers.answers) end(node.prompt, std::move(answer));
  for (AnswerNode& child : followers.children) next.push_back(std::move(child));
}

/// Keeps each prompt's expansion within its budget of nodes: the most probable children continue, and the
/// probability of the others counts as unexplored.
std::vector<AnswerNode> AnswerTree::within_budget(std::vector<AnswerNode> next) {
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
      AnswerNode& node = next[list[place]];
      node.exact = static_cast<int64_t>(place) < budget;
      if (!node.exact) out_.prompts[p].unexplored += std::exp(node.log_prob);
      expansion_[p] += node.exact ? 1 : 0;
    }
  }
  std::erase_if(next, [](const AnswerNode& node) { return node.count == 0 && !node.exact; });
  return next;
}

/// How many nodes of the next depth a prompt's expansion may evaluate: an equal part of the remaining budget
/// for each remaining depth, so that answers which begin improbably and share nothing cannot take what
/// probable ones need later. What a depth does not use goes to later ones. 0 once most of the probability is
/// out of reach: an untouched model's answers spread so wide that more nodes would tell nothing.
int AnswerTree::budget_left(size_t prompt) const {
  constexpr double most_unexplored = 0.5;
  if (out_.prompts[prompt].unexplored > most_unexplored) return 0;
  const int left = tools_.config.exact_nodes - expansion_[prompt],
            depths = std::max(1, tools_.config.max_answer_tokens - 1 - depth_);
  return left > 0 ? (left + depths - 1) / depths : 0;
}

UnitResult AnswerTree::result() {
  for (PromptAnswers& prompt : out_.prompts) prompt.unexplored = std::clamp(prompt.unexplored, 0.0, 1.0);
  return std::move(out_);
}

}  // namespace apportion
