#include "worker/train/batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "shared/model/steering.h"
#include "worker/models/queued_copy.h"

namespace apportion {
namespace {

void shuffle(std::vector<int>& order, CounterRng rng) {
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
}

std::vector<int> counting(int count) {
  std::vector<int> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

/// Cuts `list` into `parts` runs whose sizes differ by at most one.
std::vector<std::vector<int>> cut(const std::vector<int>& list, int parts) {
  std::vector<std::vector<int>> runs(static_cast<size_t>(parts));
  for (size_t run = 0; run < runs.size(); ++run) {
    size_t begin = run * list.size() / runs.size(), end = (run + 1) * list.size() / runs.size();
    runs[run].assign(list.begin() + static_cast<int64_t>(begin), list.begin() + static_cast<int64_t>(end));
  }
  return runs;
}

/// `order` rearranged in turns: the first prompt of every subject, then the second of each, and so on.
std::vector<int> in_turns(const std::vector<int>& order, const std::vector<int>& subjects) {
  std::vector<std::vector<int>> lists;
  std::map<int, size_t> list_of;
  for (int prompt : order) {
    const auto [entry, added] = list_of.try_emplace(subjects[static_cast<size_t>(prompt)], lists.size());
    if (added) lists.emplace_back();
    lists[entry->second].push_back(prompt);
  }
  std::vector<int> turns;
  for (size_t turn = 0; turns.size() < order.size(); ++turn) {
    for (const auto& list : lists) {
      if (turn < list.size()) turns.push_back(list[turn]);
    }
  }
  return turns;
}

/// Collects the distinct edges (node, token) of a tree.
class EdgeTable {
 public:
  int64_t edge(int32_t node, int32_t token) {
    auto [entry, added] = index_.try_emplace({node, token}, static_cast<int64_t>(nodes_.size()));
    if (added) {
      nodes_.push_back(node);
      tokens_.push_back(token);
    }
    return entry->second;
  }
  int64_t size() const { return static_cast<int64_t>(nodes_.size()); }

  /// `kept_nodes` are read, too; `kept_N` receives their positions in rows_R.
  EdgeIndex index(const std::vector<int32_t>& row_of_node, const std::vector<int32_t>& kept_nodes,
                  at::Tensor& kept_N) const {
    std::map<int64_t, int64_t> row_index;
    std::vector<int64_t> rows, row_E, kept;
    for (int32_t node : nodes_) row_index.emplace(row_of_node[static_cast<size_t>(node)], 0);
    for (int32_t node : kept_nodes) row_index.emplace(row_of_node[static_cast<size_t>(node)], 0);
    for (auto& [row, position] : row_index) {
      position = static_cast<int64_t>(rows.size());
      rows.push_back(row);
    }
    for (int32_t node : nodes_) row_E.push_back(row_index.at(row_of_node[static_cast<size_t>(node)]));
    for (int32_t node : kept_nodes) kept.push_back(row_index.at(row_of_node[static_cast<size_t>(node)]));
    auto tensor = [](const std::vector<int64_t>& list) { return at::tensor(list, at::kLong); };
    if (!kept.empty()) kept_N = tensor(kept);
    return {tensor(rows), tensor(row_E), tensor(tokens_)};
  }

 private:
  std::map<std::pair<int32_t, int32_t>, int64_t> index_;
  std::vector<int32_t> nodes_;
  std::vector<int64_t> tokens_;
};

/// Lists of edges, padded into AnswerEdges.
struct AnswerLists {
  std::vector<std::vector<int64_t>> edges;
  std::vector<float> weight;
  std::vector<uint8_t> accepted;

  AnswerEdges tensors() const {
    size_t longest = 1;
    for (const auto& list : edges) longest = std::max(longest, list.size());
    const auto count = static_cast<int64_t>(edges.size()), width = static_cast<int64_t>(longest);
    at::Tensor edge = at::zeros({count, width}, at::kLong), mask = at::zeros({count, width}, at::kFloat);
    for (int64_t a = 0; a < count; ++a) {
      const auto& list = edges[static_cast<size_t>(a)];
      std::copy(list.begin(), list.end(), edge.data_ptr<int64_t>() + a * width);
      std::fill_n(mask.data_ptr<float>() + a * width, list.size(), 1.0F);
    }
    return {edge, mask, at::tensor(weight, at::kFloat), at::tensor(accepted, at::kByte).to(at::kBool)};
  }
};

/// Adds the row to the tree, and its kept nodes to `kept`.
void add_replay_path(TokenTree& tree, const ReplayRow& row, std::vector<int32_t>& kept) {
  int32_t node = tree.add_path(no_node, row.prompt);
  kept.push_back(node);
  for (size_t i = 0; i + 1 < row.answer.size(); ++i) {
    node = tree.child(node, row.answer[i]);
    kept.push_back(node);
  }
}

/// Builds a micro-batch prompt by prompt.
class Packer {
 public:
  explicit Packer(const Packing& packing) : packing_(packing) {}

  /// Without `text` an answer is only its first token.
  void add(const TrainPrompt& prompt, const TrainPrompt& behind, bool text) {
    const int32_t end = tree_.add_path(no_node, prompt.tokens);
    for (int32_t token : prompt.steering_tokens) steering_.push_back(edges_.edge(end, token));
    if (prompt.style != AnswerStyle::plain)
      target_.insert(target_.end(), prompt.target.begin(), prompt.target.end());
    ++out_.prompts;
    if (prompt.style == AnswerStyle::paths) {
      for (const auto& answer : prompt.answers)
        put_edges(paths_, add_answer(end, answer.tokens), answer.weight, true);
    }
    if (packing_.answers == AnswerSet::pairs) return add_pairs(prompt, end);
    for (const auto& answer : prompt.answers) {
      if (packing_.answers == AnswerSet::none || answer.weight == 0) continue;
      if (!answer.accepted && packing_.answers == AnswerSet::accepted) continue;
      if (!text) {
        weigh({edges_.edge(end, answer.tokens.front())}, answer.weight);
        continue;
      }
      std::vector<int64_t> path = add_answer(end, answer.tokens);
      if (answer.accepted) weigh(path, answer.weight);
      if (packing_.answers == AnswerSet::accepted_rejected_mismatched)
        put(answers_, path, answer.weight, answer.accepted);
      count_row(prompt, answer);
    }
    if (packing_.answers == AnswerSet::accepted_rejected_mismatched) add_mismatched(prompt, behind, end);
  }

  void add_replay(const ReplayRow& row) {
    add_replay_path(tree_, row, kept_);
    const int64_t text = kept_positions(row) - 1;
    kept_weight_.push_back(1);
    kept_weight_.insert(kept_weight_.end(), static_cast<size_t>(text),
                        static_cast<float>(packing_.replay_text_weight / static_cast<double>(text)));
  }

  /// Call it after all prompts have been added.
  void add_stories(const std::vector<StoryRow>& rows) {
    const int64_t prompt_edges = edges_.size();
    sft_weight_.resize(static_cast<size_t>(prompt_edges), 0.0);
    for (const StoryRow& row : rows) {
      const int32_t end = tree_.add_path(no_node, row.prompt);
      for (const StoryRow::Path& path : row.paths) {
        const std::vector<int64_t> edges = add_answer(end, path.tokens);
        story_weight_.resize(static_cast<size_t>(edges_.size() - prompt_edges), 0.0);
        for (size_t i = 0; i < edges.size(); ++i) {
          ensure(edges[i] >= prompt_edges, "no training prompt is a story prompt");
          story_weight_[static_cast<size_t>(edges[i] - prompt_edges)] += path.weights[i];
        }
      }
    }
  }

  MicroBatch finish(const ModelShape& shape) {
    std::vector<int32_t> row_of_node;
    TokenTree sorted = tree_.depth_first(row_of_node);
    std::vector<int32_t> queries = counting(sorted.size());
    out_.rows = token_rows(sorted, queries, packed_block_rows, shape, at::kCPU);
    out_.tree_tokens = sorted.size();
    out_.edges = edges_.index(row_of_node, kept_, out_.kept.row_N);
    if (!kept_.empty()) out_.kept.weight_N = at::tensor(kept_weight_, at::kFloat);
    out_.story_weight_S = at::tensor(story_weight_, at::kDouble).to(at::kFloat);
    out_.sft_weight_E = at::tensor(sft_weight_, at::kDouble).to(at::kFloat);
    const int64_t prompts = std::max<int64_t>(1, out_.prompts);
    auto by_prompt = [&](const at::Tensor& list) {
      return list.view({out_.prompts, list.numel() / prompts});
    };
    out_.steering_IK = by_prompt(at::tensor(steering_, at::kLong));
    out_.target_IK = by_prompt(at::tensor(target_, at::kFloat));
    out_.paths = paths_.tensors();
    out_.answers = answers_.tensors();
    out_.mismatched = mismatched_.tensors();
    out_.preferred = preferred_.tensors();
    out_.dispreferred = dispreferred_.tensors();
    return std::move(out_);
  }

 private:
  void count_row(const TrainPrompt& prompt, const TrainPrompt::TokenAnswer& answer) {
    ++out_.example_rows;
    out_.padded_tokens += static_cast<int64_t>(prompt.tokens.size() + answer.tokens.size());
  }

  void add_mismatched(const TrainPrompt& prompt, const TrainPrompt& behind, int32_t end) {
    std::vector<std::pair<const TrainPrompt::TokenAnswer*, double>> taken;  // with weights
    const bool rotated = packing_.kto.pairs == KtoPairs::rotated;
    for (const auto& answer : prompt.answers) {
      if (rotated && !answer.accepted) taken.emplace_back(&answer, answer.weight);
    }
    for (const auto& answer : behind.answers) {
      if (!rotated || answer.accepted) taken.emplace_back(&answer, answer.weight);
    }
    double sum = 0;
    for (const auto& [answer, weight] : taken) sum += weight;
    for (const auto& [answer, weight] : taken) {
      put(mismatched_, add_answer(end, answer->tokens), weight / sum, answer->accepted);
    }
  }

  void add_pairs(const TrainPrompt& prompt, int32_t end) {
    std::vector<std::vector<int64_t>> paths;
    for (const auto& answer : prompt.answers) {
      paths.push_back(add_answer(end, answer.tokens));
      count_row(prompt, answer);
    }
    auto put_whole = [&](AnswerLists& lists, size_t index, double weight, bool accepted) {
      put_edges(lists, {paths[index].begin(), paths[index].end()}, weight, accepted);
    };
    for (const AnswerPair& pair : prompt.pairs) {
      put_whole(preferred_, pair.accepted, pair.weight, true);
      put_whole(dispreferred_, pair.rejected, pair.weight, false);
    }
  }

  /// Adds the answer's tokens behind `end`; the last token is an edge only, nothing follows it.
  std::vector<int64_t> add_answer(int32_t end, const std::vector<int32_t>& tokens) {
    std::vector<int64_t> path;
    int32_t node = end;
    for (size_t i = 0; i < tokens.size(); ++i) {
      path.push_back(edges_.edge(node, tokens[i]));
      if (i + 1 < tokens.size()) node = tree_.child(node, tokens[i]);
    }
    return path;
  }

  void weigh(const std::vector<int64_t>& path, double weight) {
    sft_weight_.resize(static_cast<size_t>(edges_.size()), 0.0);
    for (size_t i = 0; i < path.size(); ++i) {
      const bool spread = packing_.weights == SftWeights::split && i > 0;
      sft_weight_[static_cast<size_t>(path[i])] += spread ? packing_.sft_text_weight * packing_.text_every *
                                                                weight / static_cast<double>(path.size() - 1)
                                                          : weight;
    }
    const bool by_tokens = packing_.weights == SftWeights::token_mean;
    out_.sft_normalizer += by_tokens ? weight * static_cast<double>(path.size()) : weight;
  }

  /// Puts the part of the path that KTO covers.
  void put(AnswerLists& lists, const std::vector<int64_t>& path, double weight, bool accepted) const {
    const int skipped = packing_.kto.positions == KtoPositions::rest ? 1 : 0;
    put_edges(lists, {path.begin() + skipped, path.end()}, weight, accepted);
  }

  static void put_edges(AnswerLists& lists, std::vector<int64_t> edges, double weight, bool accepted) {
    lists.edges.push_back(std::move(edges));
    lists.weight.push_back(static_cast<float>(weight));
    lists.accepted.push_back(accepted ? 1 : 0);
  }

  Packing packing_;
  TokenTree tree_;
  EdgeTable edges_;
  std::vector<double> sft_weight_, story_weight_;
  std::vector<int32_t> kept_;
  std::vector<float> kept_weight_;
  std::vector<int64_t> steering_;
  std::vector<float> target_;
  AnswerLists paths_, answers_, mismatched_, preferred_, dispreferred_;
  MicroBatch out_;
};

/// Adds answers with their tokens; they are steered if the prompt has steering tokens.
void add_answers(TrainPrompt& out, const Prompt& prompt, const std::vector<Answer>& answers,
                 const ChatTemplate& chat) {
  for (const Answer& answer : answers) {
    EncodedTurn turn = chat.encode_turn(prompt.text, answer.text);
    const bool steered = !out.steering_tokens.empty();
    if (steered && (turn.answer.front() != out.steering_tokens[static_cast<size_t>(answer.category)] ||
                    turn.answer.size() < 3)) {
      throw UserError("the answer '" + answer.text +
                      "' does not start with its steering token alone; choose another model, or steering = "
                      "path");
    }
    out.answers.push_back({turn.answer, answer.weight, answer.accepted()});
  }
}

void check_distinct(const std::vector<Answer>& answers, const Subject& subject) {
  std::set<std::string> texts;
  for (const Answer& answer : answers) {
    if (texts.insert(answer.text).second) continue;
    throw UserError("two answer forms give subject \"" + subject.name + "\" the same answer '" + answer.text +
                    "', which with steering = path would count twice; remove one form");
  }
}

}  // namespace

std::vector<TrainPrompt> train_prompts(const Dataset& dataset, const std::vector<Prompt>& prompts,
                                       const std::vector<Subject>& subjects, const ChatTemplate& chat,
                                       uint64_t seed, AnswerStyle style, Steering steering) {
  std::vector<TrainPrompt> all;
  for (const Prompt& prompt : prompts) {
    const Subject& subject = subjects[static_cast<size_t>(prompt.subject)];
    TrainPrompt& out = all.emplace_back();
    out.tokens = chat.encode_prompt(prompt.text);
    out.target = subject.target;
    out.subject = prompt.subject;
    out.style = style;
    if (style != AnswerStyle::steered) {
      const std::vector<Answer> answers = plain_answers(dataset, subject);
      if (style == AnswerStyle::paths) check_distinct(answers, subject);
      add_answers(out, prompt, answers, chat);
      if (style == AnswerStyle::plain) out.pairs = preference_pairs(dataset, subject);
      continue;
    }
    out.steering_tokens = steering_tokens(chat, prompt.text, dataset.categories.size(), steering);
    add_answers(out, prompt, accepted_answers(dataset, subject, steering), chat);
    add_answers(out, prompt, rejected_answers(dataset, subject, seed, prompt.wording, steering), chat);
  }
  return all;
}

void plant_wrong_text(std::vector<TrainPrompt>& prompts, double share) {
  for (TrainPrompt& prompt : prompts) {
    for (TrainPrompt::TokenAnswer& answer : prompt.answers) {
      answer.weight *= answer.accepted ? 1 - share : share;
      answer.accepted = true;
    }
  }
}

BatchSchedule::BatchSchedule(const std::vector<int>& subjects, int batch_prompts, uint64_t seed)
    : seed_(seed) {
  const int prompts = static_cast<int>(subjects.size());
  ensure(prompts > 0 && batch_prompts > 0, "a batch has prompts");
  std::vector<int> order = counting(prompts);
  shuffle(order, CounterRng(seed, "batches"));
  batches_ = cut(in_turns(order, subjects), (prompts + batch_prompts - 1) / batch_prompts);
}

int BatchSchedule::prompts_before(int index) const {
  int prompts = 0;
  for (int before = 0; before < index; ++before) prompts += static_cast<int>(batch(before).size());
  return prompts;
}

int BatchSchedule::batch_of_step(int step) const {
  std::vector<int> order = counting(batches());
  shuffle(order, CounterRng(seed_, "epoch " + std::to_string(step / batches())));
  return order[static_cast<size_t>(step % batches())];
}

std::vector<at::Tensor*> tensors_of(MicroBatch& batch) {
  std::vector<at::Tensor*> all = {&batch.edges.rows_R, &batch.edges.row_E,   &batch.edges.token_E,
                                  &batch.sft_weight_E, &batch.steering_IK,   &batch.target_IK,
                                  &batch.kept.row_N,   &batch.kept.weight_N, &batch.story_weight_S};
  for (AnswerEdges* answers :
       {&batch.paths, &batch.answers, &batch.mismatched, &batch.preferred, &batch.dispreferred}) {
    for (at::Tensor* tensor :
         {&answers->edge_AL, &answers->mask_AL, &answers->weight_A, &answers->accepted_A})
      all.push_back(tensor);
  }
  return all;
}

std::vector<std::vector<int>> split_batch(const std::vector<TrainPrompt>& prompts,
                                          const std::vector<int>& batch, int micro_batches) {
  std::vector<int> sorted = batch;
  std::stable_sort(sorted.begin(), sorted.end(), [&](int a, int b) {
    return prompts[static_cast<size_t>(a)].tokens < prompts[static_cast<size_t>(b)].tokens;
  });
  return cut(sorted, micro_batches);
}

MicroBatch pack_micro_batch(const std::vector<TrainPrompt>& prompts, const std::vector<int>& batch,
                            const std::vector<int>& members, const Packing& packing, const ModelShape& shape,
                            at::Device device, const JoiningRows& joining) {
  Packer packer(packing);
  int turn = packing.text_turn;
  for (int member : members) {
    const auto place = static_cast<size_t>(std::find(batch.begin(), batch.end(), member) - batch.begin());
    ensure(place < batch.size(), "a micro-batch is part of its batch");
    const int behind = batch[(place + 1) % batch.size()];
    packer.add(prompts[static_cast<size_t>(member)], prompts[static_cast<size_t>(behind)],
               turn++ % packing.text_every == 0);
  }
  for (const ReplayRow* row : joining.replay) packer.add_replay(*row);
  packer.add_stories(joining.stories);
  MicroBatch out = packer.finish(shape);
  move_together(tensors_of(out), device);
  return out;
}

ReplayTree pack_replay(const std::vector<const ReplayRow*>& replay, const ModelShape& shape,
                       at::Device device) {
  TokenTree tree;
  std::vector<int32_t> kept, row_of_node;
  for (const ReplayRow* row : replay) add_replay_path(tree, *row, kept);
  const TokenTree sorted = tree.depth_first(row_of_node);
  std::vector<int64_t> rows;
  for (int32_t node : kept) rows.push_back(row_of_node[static_cast<size_t>(node)]);
  return {token_rows(sorted, counting(sorted.size()), packed_block_rows, shape, device),
          queued_copy(at::tensor(rows, at::kLong), device)};
}

}  // namespace apportion
