// The retention task: the trained model beside the untouched one (the adapter on and off) on keep prompts,
// plain text and easy questions. What the figures are: shared/measure/retention.h.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "shared/base/error.h"
#include "shared/data/catalogue.h"
#include "shared/data/keep.h"
#include "shared/measure/category.h"
#include "shared/measure/retention.h"
#include "shared/store/task_file.h"
#include "worker/base_answers.h"
#include "worker/device.h"
#include "worker/losses/retention.h"
#include "worker/models/adapter_file.h"
#include "worker/sample/measure_units.h"
#include "worker/train/replay.h"

namespace apportion {
namespace {

/// What one path of tokens told: the log-probs of its tokens, and the KL of its positions, summed.
struct PathFigures {
  double base_log_prob = 0, log_prob = 0, kl = 0;
  double base_steering = 0, steering = 0;  // at the first position
};

/// Both models on trees of paths, a unit at a time.
class Comparison {
 public:
  Comparison(const TaskContext& context, const Llama& model, const Adapter& adapter,
             std::vector<int32_t> steering)
      : context_(context), model_(model), adapter_(adapter), steering_(std::move(steering)) {}

  /// Figures of each path, in order, on every rank. Units of paths are dealt to the ranks. Collective.
  std::vector<PathFigures> of(const std::vector<std::vector<ReplayRow>>& units) const {
    const auto rank = static_cast<size_t>(context_.collectives.group_rank()),
               ranks = static_cast<size_t>(context_.collectives.size());
    std::vector<double> own;
    // The same number of turns on every rank: where the model is held together all take part in each.
    for (size_t turn = 0; turn * ranks < units.size(); ++turn) {
      const size_t unit = turn * ranks + rank;
      figures_of(unit < units.size() ? &units[unit] : nullptr, unit, own);
    }
    constexpr size_t columns = 7;
    const std::vector<double> all = context_.collectives.all_gather(own);
    std::vector<size_t> first(units.size() + 1, 0);
    for (size_t u = 0; u < units.size(); ++u) first[u + 1] = first[u] + units[u].size();
    std::vector<PathFigures> figures(first.back());
    for (size_t row = 0; row + columns <= all.size(); row += columns) {
      const double* v = all.data() + row;
      figures[first[static_cast<size_t>(v[0])] + static_cast<size_t>(v[1])] = {v[2], v[3], v[4], v[5], v[6]};
    }
    return figures;
  }

 private:
  void figures_of(const std::vector<ReplayRow>* unit, size_t index, std::vector<double>& own) const {
    const at::NoGradGuard no_gradient;
    std::vector<ReplayTree> trees;
    std::vector<const ReplayRow*> rows;
    if (unit) {
      for (const ReplayRow& row : *unit) rows.push_back(&row);
      trees.push_back(pack_replay(rows, model_.shape().context_length, model_.device()));
    }
    std::vector<at::Tensor> hidden = kept_hidden(model_, nullptr, trees);
    for (at::Tensor& trained : kept_hidden(model_, &adapter_, trees)) hidden.push_back(std::move(trained));
    const std::vector<at::Tensor> logits = model_.vocabulary().logits(hidden);
    if (!unit) return;
    const at::Tensor base_NV = logits[0].log_softmax(-1), trained_NV = logits[1].log_softmax(-1);
    const at::Tensor kl_N = retention_kl(trained_NV, base_NV).kl_N.to(at::kCPU, at::kDouble);
    int64_t position = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      PathFigures path;
      auto at_token = [](const at::Tensor& table, int64_t row, int32_t token) {
        return table[row][token].item<double>();
      };
      for (int32_t token : steering_) {
        path.base_steering += std::exp(at_token(base_NV, position, token));
        path.steering += std::exp(at_token(trained_NV, position, token));
      }
      for (size_t i = 0; i < rows[r]->answer.size(); ++i) {
        path.base_log_prob += at_token(base_NV, position, rows[r]->answer[i]);
        path.log_prob += at_token(trained_NV, position, rows[r]->answer[i]);
        path.kl += kl_N[position++].item<double>();
      }
      own.insert(own.end(), {static_cast<double>(index), static_cast<double>(r), path.base_log_prob,
                             path.log_prob, path.kl, path.base_steering, path.steering});
    }
  }

  const TaskContext& context_;
  const Llama& model_;
  const Adapter& adapter_;
  std::vector<int32_t> steering_;
};

/// The dataset's answers without a steering token, as tokens behind `prompt`; each text once.
std::vector<std::vector<int32_t>> plain_paths(const Session& session, const std::string& prompt) {
  std::vector<std::vector<int32_t>> paths;
  const Dataset& dataset = session.dataset();
  for (const Answer& answer : plain_answers(dataset, dataset.subjects.front())) {
    std::vector<int32_t> tokens = session.chat().encode_turn(prompt, answer.text).answer;
    if (std::find(paths.begin(), paths.end(), tokens) == paths.end()) paths.push_back(std::move(tokens));
  }
  return paths;
}

std::vector<KeptPrompt> kept_prompts(const TaskContext& context, const Comparison& comparison,
                                     const Llama& model) {
  const Session& session = context.session;
  const RunConfig& config = session.config();
  const auto prompts = keep_prompts(config.keep.test, KeepUse::test, session.dataset(), config.data);
  std::vector<std::string> texts;
  for (const KeepPrompt& prompt : prompts) texts.push_back(prompt.text);
  const auto answers = base_answers(context, model, texts);
  constexpr size_t per_unit = 8;
  std::vector<std::vector<ReplayRow>> units((prompts.size() + per_unit - 1) / per_unit);
  std::vector<size_t> first;  // path of each prompt
  size_t paths = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int32_t> tokens = session.chat().encode_prompt(texts[i]);
    std::vector<ReplayRow>& unit = units[i / per_unit];
    first.push_back(paths);
    unit.push_back({tokens, answers[i], 0});
    for (auto& path : plain_paths(session, texts[i])) unit.push_back({tokens, std::move(path), 0});
    paths = first.back() + 1 + plain_paths(session, texts[i]).size();
  }
  const std::vector<PathFigures> figures = comparison.of(units);
  std::vector<KeptPrompt> kept;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const PathFigures& own = figures[first[i]];
    KeptPrompt& prompt = kept.emplace_back();
    prompt = {prompts[i].kind, texts[i],          static_cast<double>(answers[i].size()),
              own.kl,          own.base_steering, own.steering};
    const size_t end = i + 1 < prompts.size() ? first[i + 1] : figures.size();
    for (size_t path = first[i] + 1; path < end; ++path) {
      prompt.base_leak += std::exp(figures[path].base_log_prob);
      prompt.leak += std::exp(figures[path].log_prob);
    }
  }
  return kept;
}

std::vector<KeptText> kept_texts(const TaskContext& context, const Comparison& comparison) {
  std::vector<std::vector<ReplayRow>> units;
  for (const std::string& passage : passages_of(find_list(plain_text_list))) {
    std::vector<int32_t> tokens;
    for (const TokenSpan& token : context.session.tokenizer().encode(passage, SpecialTokens::as_text))
      tokens.push_back(token.id);
    const auto context_length = static_cast<size_t>(context.session.shape().context_length);
    tokens.resize(std::min(tokens.size(), context_length));
    if (tokens.size() < 2) continue;
    units.push_back({{{tokens.front()}, {tokens.begin() + 1, tokens.end()}, 0}});
  }
  std::vector<KeptText> texts;
  const std::vector<PathFigures> figures = comparison.of(units);
  for (size_t i = 0; i < figures.size(); ++i) {
    texts.push_back(
        {static_cast<double>(units[i][0].answer.size()), -figures[i].base_log_prob, -figures[i].log_prob});
  }
  return texts;
}

constexpr int question_rounds = 8;

bool ends_a_sentence(std::string_view text) {
  return !text.empty() && std::string_view(".!?\n").find(text.back()) != std::string_view::npos;
}

/// The share of each question's rounds whose first sentence has an accepted word. (The tree of a small
/// model's answers is too wide to be explored.) Both models draw by the same numbers. Collective.
std::vector<double> masses(const TaskContext& context, const Llama& model, const Adapter* adapter,
                           const std::vector<EasyQuestion>& questions) {
  const Session& session = context.session;
  MeasureConfig measure = session.config().measure;
  measure.max_answer_tokens = 16;
  measure.exact_nodes = 0;
  const MeasureTools tools{model,
                           adapter,
                           session.tokenizer(),
                           session.chat().end_of_turn(),
                           measure,
                           session.config().data.seed,
                           ends_a_sentence};
  std::vector<Category> accepted;
  for (const EasyQuestion& question : questions) accepted.push_back({question.accepted});
  const auto rank = static_cast<size_t>(context.collectives.group_rank()),
             ranks = static_cast<size_t>(context.collectives.size()),
             per_unit = static_cast<size_t>(measure.unit_prompts);
  std::vector<std::vector<MeasurePrompt>> units;
  for (size_t begin = rank * per_unit; begin < questions.size(); begin += ranks * per_unit) {
    std::vector<MeasurePrompt>& unit = units.emplace_back();
    for (size_t i = begin; i < std::min(questions.size(), begin + per_unit); ++i) {
      MeasurePrompt& prompt = unit.emplace_back();
      prompt.subject = static_cast<int>(i);
      prompt.tokens = session.chat().encode_prompt(questions[i].text);
      prompt.rounds = question_rounds;
      prompt.draw_key = "question\n" + questions[i].text + "\n";
    }
  }
  std::vector<double> own;
  measure_units(tools, units, context.collectives, [&](size_t, const UnitResult& result) {
    for (const PromptAnswers& answers : result.prompts) {
      const CategoryParser parser({accepted[static_cast<size_t>(answers.subject)]});
      double mass = 0;
      for (const GivenAnswer& answer : answers.answers) {
        if (parser.parse(answer.text) != unparsed)
          mass += static_cast<double>(answer.count) / question_rounds;
      }
      own.insert(own.end(), {static_cast<double>(answers.subject), mass});
    }
  });
  const std::vector<double> all = context.collectives.all_gather(own);
  std::vector<double> mass(questions.size(), 0.0);
  for (size_t i = 0; i + 1 < all.size(); i += 2) mass[static_cast<size_t>(all[i])] = all[i + 1];
  return mass;
}

}  // namespace

Done run_retention(const TaskContext& context) {
  Session& session = context.session;
  const RunConfig& config = session.config();
  if (config.adapter == AdapterKind::none)
    throw UserError("retention = true needs an adapter to turn off; with adapter = none it must be false");
  const at::ScalarType type = resolve_compute_type(config.train_compute_type);
  const Llama& model = session.model(type, context.shard_ranks);
  if (model.keeps_gathered()) model.gather_all();
  Adapter adapter = load_adapter(adapter_directory(config.output.directory, context.task.inputs.front()),
                                 session.shape(), session.device());
  adapter.refresh(type);
  std::vector<int32_t> steering;
  if (config.steering != Steering::path) {
    const auto prompts =
        prompts_of(session.dataset(), "train", config.data.holdout_wordings, config.data.subjects);
    steering = steering_tokens(session.chat(), prompts.front(), session.dataset().categories.size(),
                               config.steering);
  }
  const Comparison comparison(context, model, adapter, steering);
  RetentionResult result;
  result.prompts = kept_prompts(context, comparison, model);
  result.texts = kept_texts(context, comparison);
  const auto questions = easy_questions(find_list(easy_questions_list));
  const std::vector<double> before = masses(context, model, nullptr, questions);
  const std::vector<double> after = masses(context, model, &adapter, questions);
  for (size_t i = 0; i < questions.size(); ++i)
    result.questions.push_back({questions[i].text, before[i], after[i]});
  Done done;
  if (context.collectives.group_rank() == 0) done.retention = to_json(result).dump();
  return done;
}

}  // namespace apportion
