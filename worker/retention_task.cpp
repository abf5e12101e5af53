// The retention task: compares the untouched model and then the trained one (adapter off and on, or one set
// of weights after the other) on keep prompts, plain text and easy questions. shared/measure/retention.h
// defines the figures.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "shared/data/catalogue.h"
#include "shared/data/keep.h"
#include "shared/measure/category.h"
#include "shared/measure/retention.h"
#include "shared/model/steering.h"
#include "shared/store/task_file.h"
#include "worker/base_answers.h"
#include "worker/device.h"
#include "worker/losses/retention.h"
#include "worker/train/replay.h"

namespace apportion {
namespace {

/// Sums over one path of tokens: the log-probs of its tokens, and the KL of its positions.
struct PathFigures {
  double base_log_prob = 0, log_prob = 0, kl = 0;
  double base_steering = 0, steering = 0;  // at the first position
};

/// Runs both models on trees of paths, a unit at a time. The untouched one goes first and its hidden rows are
/// kept, so the two models need not be loaded at once. Units are dealt to the ranks.
class Comparison {
 public:
  using Unit = std::vector<ReplayRow>;
  Comparison(const TaskContext& context, std::vector<Unit> units, std::vector<int32_t> steering)
      : context_(context), units_(std::move(units)), steering_(std::move(steering)) {}

  /// Collective, and so is with().
  void see_untouched(const Llama& base, const Adapter* adapter) {
    base_hidden_.clear();
    PartProgress told(context_, "before");
    for (size_t turn = 0; turn < turns(); ++turn) {
      told(static_cast<int64_t>(turn), static_cast<int64_t>(turns()));
      base_hidden_.push_back(kept_hidden(base, adapter, trees_of(turn, base)));
    }
  }

  /// Figures of each path, in order, on every rank. `base_head` null: the trained model's head is the base's.
  std::vector<PathFigures> with(const Llama& trained, const Adapter* adapter,
                                const Vocabulary* base_head) const {
    std::vector<double> own;
    PartProgress told(context_, "after");
    for (size_t turn = 0; turn < turns(); ++turn) {
      told(static_cast<int64_t>(turn), static_cast<int64_t>(turns()));
      figures_of(turn, trained, adapter, base_head, own);
    }
    constexpr size_t columns = 7;
    const std::vector<double> all = context_.collectives.all_gather(own);
    std::vector<size_t> first(units_.size() + 1, 0);
    for (size_t u = 0; u < units_.size(); ++u) first[u + 1] = first[u] + units_[u].size();
    std::vector<PathFigures> figures(first.back());
    for (size_t row = 0; row + columns <= all.size(); row += columns) {
      const double* v = all.data() + row;
      figures[first[static_cast<size_t>(v[0])] + static_cast<size_t>(v[1])] = {v[2], v[3], v[4], v[5], v[6]};
    }
    return figures;
  }

 private:
  /// The same number on every rank: where ranks hold a model together, all take part in each turn.
  size_t turns() const { return (units_.size() + ranks() - 1) / ranks(); }
  size_t ranks() const { return static_cast<size_t>(context_.collectives.size()); }
  size_t index_of(size_t turn) const {
    return turn * ranks() + static_cast<size_t>(context_.collectives.group_rank());
  }
  /// This rank's tree of a turn; none where there are no more units.
  std::vector<ReplayTree> trees_of(size_t turn, const Llama& model) const {
    if (index_of(turn) >= units_.size()) return {};
    std::vector<const ReplayRow*> rows;
    for (const ReplayRow& row : units_[index_of(turn)]) rows.push_back(&row);
    std::vector<ReplayTree> trees;
    trees.push_back(pack_replay(rows, model.shape(), model.device()));
    return trees;
  }
  void figures_of(size_t turn, const Llama& trained, const Adapter* adapter, const Vocabulary* base_head,
                  std::vector<double>& own) const {
    const at::NoGradGuard no_gradient;
    std::vector<at::Tensor> hidden = kept_hidden(trained, adapter, trees_of(turn, trained));
    const std::vector<at::Tensor>& base_hidden = base_hidden_[turn];
    if (!base_head) hidden.insert(hidden.end(), base_hidden.begin(), base_hidden.end());
    std::vector<at::Tensor> logits = trained.vocabulary().logits(hidden);
    if (base_head) {
      for (at::Tensor& base_NV : base_head->logits(base_hidden)) logits.push_back(std::move(base_NV));
    }
    if (base_hidden.empty()) return;
    add_figures(index_of(turn), logits[1].log_softmax(-1), logits[0].log_softmax(-1), own);
  }
  void add_figures(size_t index, const at::Tensor& base_NV, const at::Tensor& trained_NV,
                   std::vector<double>& own) const {
    const at::Tensor kl_N = retention_kl(trained_NV, base_NV).kl_N.to(at::kCPU, at::kDouble);
    const Unit& unit = units_[index];
    int64_t position = 0;
    for (size_t r = 0; r < unit.size(); ++r) {
      PathFigures path;
      auto at_token = [](const at::Tensor& table, int64_t row, int32_t token) {
        return table[row][token].item<double>();
      };
      for (int32_t token : steering_) {
        path.base_steering += std::exp(at_token(base_NV, position, token));
        path.steering += std::exp(at_token(trained_NV, position, token));
      }
      for (int32_t token : unit[r].answer) {
        path.base_log_prob += at_token(base_NV, position, token);
        path.log_prob += at_token(trained_NV, position, token);
        path.kl += kl_N[position++].item<double>();
      }
      own.insert(own.end(), {static_cast<double>(index), static_cast<double>(r), path.base_log_prob,
                             path.log_prob, path.kl, path.base_steering, path.steering});
    }
  }

  const TaskContext& context_;
  std::vector<Unit> units_;
  std::vector<int32_t> steering_;
  std::vector<std::vector<at::Tensor>> base_hidden_;  // for this rank's unit of each turn
};

/// The dataset's answers without their steering token, as tokens that follow `prompt`; each text once.
std::vector<std::vector<int32_t>> plain_paths(const Session& session, const std::string& prompt) {
  std::vector<std::vector<int32_t>> paths;
  const Dataset& dataset = session.dataset();
  for (const Answer& answer : plain_answers(dataset, dataset.subjects.front())) {
    std::vector<int32_t> tokens = session.chat().encode_turn(prompt, answer.text).answer;
    if (std::find(paths.begin(), paths.end(), tokens) == paths.end()) paths.push_back(std::move(tokens));
  }
  return paths;
}

/// The keep prompts, each with a path for the untouched model's answer and paths for the dataset's answers.
struct AskedPrompts {
  std::vector<KeepPrompt> prompts;
  std::vector<std::vector<int32_t>> answers;
  std::vector<Comparison::Unit> units;
  std::vector<size_t> first;  // first path of each prompt, then the number of paths
};

/// Collective.
AskedPrompts ask(const TaskContext& context, const Llama& base) {
  const Session& session = context.session;
  const RunConfig& config = session.config();
  AskedPrompts asked;
  asked.prompts = keep_prompts(config.keep.test, KeepUse::test, session.dataset(), config.data);
  std::vector<std::string> texts;
  for (const KeepPrompt& prompt : asked.prompts) texts.push_back(prompt.text);
  asked.answers = base_answers(context, base, texts);
  constexpr size_t per_unit = 8;
  asked.units.resize((texts.size() + per_unit - 1) / per_unit);
  asked.first = {0};
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int32_t> tokens = session.chat().encode_prompt(texts[i]);
    Comparison::Unit& unit = asked.units[i / per_unit];
    const size_t before = unit.size();
    unit.push_back({tokens, asked.answers[i], 0});
    for (auto& path : plain_paths(session, texts[i])) unit.push_back({tokens, std::move(path), 0});
    asked.first.push_back(asked.first.back() + unit.size() - before);
  }
  return asked;
}

std::vector<KeptPrompt> kept_prompts(const AskedPrompts& asked, const std::vector<PathFigures>& figures) {
  std::vector<KeptPrompt> kept;
  for (size_t i = 0; i < asked.prompts.size(); ++i) {
    const PathFigures& own = figures[asked.first[i]];
    KeptPrompt& prompt = kept.emplace_back();
    prompt = {
        asked.prompts[i].kind, asked.prompts[i].text, static_cast<double>(asked.answers[i].size()), own.kl,
        own.base_steering,     own.steering};
    for (size_t path = asked.first[i] + 1; path < asked.first[i + 1]; ++path) {
      prompt.base_leak += std::exp(figures[path].base_log_prob);
      prompt.leak += std::exp(figures[path].log_prob);
    }
  }
  return kept;
}

/// One unit, of one path, for each passage of plain text.
std::vector<Comparison::Unit> passage_units(const Session& session) {
  std::vector<Comparison::Unit> units;
  for (const std::string& passage : passages_of(find_list(plain_text_list))) {
    std::vector<int32_t> tokens;
    for (const TokenSpan& token : session.tokenizer().encode(passage, SpecialTokens::as_text))
      tokens.push_back(token.id);
    const auto context_length = static_cast<size_t>(session.shape().context_length);
    tokens.resize(std::min(tokens.size(), context_length));
    if (tokens.size() < 2) continue;
    units.push_back({{{tokens.front()}, {tokens.begin() + 1, tokens.end()}, 0}});
  }
  return units;
}

constexpr int question_rounds = 8;

bool ends_a_sentence(std::string_view text) {
  return !text.empty() && std::string_view(".!?\n").find(text.back()) != std::string_view::npos;
}

/// The share of each question's rounds whose first sentence has an accepted word. (The tree of a small
/// model's answers is too wide to explore.) Both models draw with the same random numbers. Collective.
std::vector<double> masses(const TaskContext& context, const Llama& model, const Adapter* adapter,
                           const std::vector<EasyQuestion>& questions) {
  TextRounds asked{"question", {}, 16, question_rounds, ends_a_sentence};
  for (const EasyQuestion& question : questions) asked.texts.push_back(question.text);
  std::vector<double> own;
  ask_texts(context, model, adapter, asked, [&](const PromptAnswers& answers) {
    const CategoryParser parser({Category{questions[static_cast<size_t>(answers.subject)].accepted}});
    double mass = 0;
    for (const GivenAnswer& answer : answers.answers) {
      if (parser.parse(answer.text) != unparsed) mass += static_cast<double>(answer.count) / question_rounds;
    }
    own.insert(own.end(), {static_cast<double>(answers.subject), mass});
  });
  const std::vector<double> all = context.collectives.all_gather(own);
  std::vector<double> mass(questions.size(), 0.0);
  for (size_t i = 0; i + 1 < all.size(); i += 2) mass[static_cast<size_t>(all[i])] = all[i + 1];
  return mass;
}

std::vector<int32_t> steering_of(const Session& session) {
  const RunConfig& config = session.config();
  if (config.steering == Steering::path) return {};
  const auto prompts =
      prompts_of(session.dataset(), "train", config.data.holdout_wordings, config.data.subjects);
  return steering_tokens(session.chat(), prompts.front().text, session.dataset().categories.size(),
                         config.steering);
}

/// The untouched model, or the weights that the task `trained_by` trained. Collective.
const Llama& whole_model(const TaskContext& context, at::ScalarType type, const std::string& trained_by) {
  const Llama& model = context.session.model(type, context.shard_ranks, trained_by);
  context.collectives.meet(context.session.config().ranks.connect_timeout_s);
  if (model.keeps_gathered()) model.gather_all();
  return model;
}

/// The trained model: the untouched one with an adapter, or weights of its own. Those replace the untouched
/// model, except for its head.
struct TrainedModel {
  const Llama& model;
  std::unique_ptr<Adapter> adapter;
  std::unique_ptr<Vocabulary> base_head;
};

/// Collective.
TrainedModel trained_model(const TaskContext& context, at::ScalarType type) {
  Session& session = context.session;
  const std::string& trained_by = context.task.inputs.front();
  if (session.config().adapter == AdapterKind::none) {
    const Llama& model = whole_model(context, type, trained_by);
    return {model, nullptr, model.other_head(*session.weights(""))};
  }
  return {whole_model(context, type, ""), task_adapter(session, trained_by, type), nullptr};
}

}  // namespace

Done run_retention(const TaskContext& context) {
  const Session& session = context.session;
  const at::ScalarType type = resolve_compute_type(session.config().train_compute_type);
  const auto questions = easy_questions(find_list(easy_questions_list));
  const Llama& base = whole_model(context, type, "");
  const AskedPrompts asked = ask(context, base);
  std::vector<Comparison::Unit> units = asked.units;
  for (Comparison::Unit& passage : passage_units(session)) units.push_back(std::move(passage));
  Comparison comparison(context, units, steering_of(session));
  const auto own = task_adapter(session, "", type);
  comparison.see_untouched(base, own.get());
  const std::vector<double> before = masses(context, base, own.get(), questions);

  const TrainedModel trained = trained_model(context, type);  // `base` may be freed by now
  const std::vector<PathFigures> figures =
      comparison.with(trained.model, trained.adapter.get(), trained.base_head.get());
  const std::vector<double> after = masses(context, trained.model, trained.adapter.get(), questions);
  RetentionResult result;
  result.prompts = kept_prompts(asked, figures);
  for (size_t text = asked.units.size(), path = asked.first.back(); text < units.size(); ++text, ++path) {
    result.texts.push_back({static_cast<double>(units[text][0].answer.size()), -figures[path].base_log_prob,
                            -figures[path].log_prob});
  }
  for (size_t i = 0; i < questions.size(); ++i)
    result.questions.push_back({questions[i].text, before[i], after[i]});
  Done done;
  if (context.collectives.group_rank() == 0) done.retention = to_json(result).dump();
  return done;
}

}  // namespace apportion
