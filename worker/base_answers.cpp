#include "worker/base_answers.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/data/example.h"
#include "shared/data/story_prompts.h"
#include "shared/measure/story.h"
#include "shared/model_files/folder/peft_config.h"
#include "shared/store/task_file.h"
#include "worker/kernels/micro_kernel.h"
#include "worker/sample/measure_units.h"

namespace apportion {
namespace {

using TokenLists = std::vector<std::vector<int32_t>>;

/// What to draw, and everything that the answers depend on besides the model and the seed.
struct Draws {
  TextRounds asked;
  nlohmann::json also = {};  // what is_enough depends on

  size_t answers() const { return asked.texts.size() * asked.rounds; }
};

/// All ranks get every rank's answers; `own` holds [index, length, tokens ...] one after another.
TokenLists gathered(const std::vector<double>& own, size_t count, Collectives& group) {
  const std::vector<double> all = group.all_gather(own);
  TokenLists answers(count);
  for (size_t place = 0; place < all.size();) {
    const auto index = static_cast<size_t>(all[place]), length = static_cast<size_t>(all[place + 1]);
    for (size_t i = 0; i < length; ++i) answers[index].push_back(static_cast<int32_t>(all[place + 2 + i]));
    place += 2 + length;
  }
  return answers;
}

void append(std::vector<double>& own, size_t index, const std::vector<int32_t>& tokens) {
  own.insert(own.end(), {static_cast<double>(index), static_cast<double>(tokens.size())});
  own.insert(own.end(), tokens.begin(), tokens.end());
}

/// Draws the answers; those of one text are adjacent. Collective: every rank of the group.
TokenLists drawn(const TaskContext& context, const Llama& base, const Draws& draws) {
  std::vector<double> own;
  const auto adapter = task_adapter(context.session, "", base.compute_type());
  ask_texts(context, base, adapter.get(), draws.asked, [&](const PromptAnswers& answers) {
    size_t index = static_cast<size_t>(answers.subject) * draws.asked.rounds;
    const size_t end = index + draws.asked.rounds;
    for (const GivenAnswer& answer : answers.answers) {
      for (uint64_t copy = 0; copy < answer.count; ++copy) append(own, index++, answer.tokens);
    }
    ensure(index == end, "each round gives an answer");
  });
  return gathered(own, draws.answers(), context.collectives);
}

/// Groups that take turns: near misses have one group for each kind, the other kinds have as many groups, so
/// half of the rows that a step replays are near misses.
class Groups {
 public:
  int of(const KeepPrompt& prompt) {
    auto& kinds = prompt.is_near() ? near_ : other_;
    const int kind = kinds.try_emplace(prompt.kind, static_cast<int>(kinds.size())).first->second;
    constexpr int groups = 6;
    return (prompt.is_near() ? 0 : groups) + kind % groups;
  }

 private:
  std::map<std::string, int> near_, other_;
};

std::vector<std::string> texts_of(const std::vector<KeepPrompt>& prompts, size_t every) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < prompts.size(); i += every) texts.push_back(prompts[i].text);
  return texts;
}

/// The file for this job's answers, named by everything that they depend on, the kind of machine included.
std::string kept_place(const TaskContext& context, const Draws& draws, const Llama& base) {
  const RunConfig& config = context.session.config();
  nlohmann::json key = {{"what", draws.asked.what == "keep" ? "replay" : draws.asked.what},
                        {"model", context.task.identity.at("model")},
                        {"base_type", config.value("base_type")},
                        {"seed", config.data.seed},
                        {"tokens", draws.asked.tokens},
                        {"libtorch", TORCH_VERSION},
                        {"cpu", at::get_cpu_capability()},
                        {"panels", panel_fingerprint()},
                        {"type", static_cast<int>(base.compute_type())},
                        {"prompts", draws.asked.texts}};
  if (config.data.system != default_system) key["system"] = config.data.system;
  if (!config.data.adapter_in.empty()) key["adapter_in"] = adapter_digest(config.data.adapter_in);
  if (draws.asked.rounds > 1) key["each"] = draws.asked.rounds;
  if (!draws.also.empty()) key["also"] = draws.also;
  return replay_path(config.output.directory, sha256(key.dump()));
}

/// Empty if nothing usable is kept there.
TokenLists read_kept(const std::string& path, size_t prompts) {
  std::ifstream file(path);
  const nlohmann::json json = nlohmann::json::parse(file, nullptr, false);
  TokenLists answers;
  if (!json.is_array() || json.size() != prompts) return {};
  for (const auto& row : json) {
    if (!row.is_array()) return {};
    std::vector<int32_t>& answer = answers.emplace_back();
    for (const auto& token : row) {
      if (!token.is_number_integer()) return {};
      answer.push_back(token.get<int32_t>());
    }
  }
  return answers;
}

TokenLists kept_or_drawn(const TaskContext& context, const Llama& base, const Draws& draws) {
  const std::string path = kept_place(context, draws, base);
  const bool first = context.collectives.group_rank() == 0;
  TokenLists answers;
  if (first && !context.session.config().output.force) answers = read_kept(path, draws.answers());
  std::vector<double> own;  // the first rank shares what it has read
  for (size_t i = 0; i < answers.size(); ++i) append(own, i, answers[i]);
  const bool kept = context.collectives.all_gather({answers.empty() ? 0.0 : 1.0}).front() != 0;
  if (kept) return gathered(own, draws.answers(), context.collectives);
  answers = drawn(context, base, draws);
  if (!first) return answers;
  make_directories(std::filesystem::path(path).parent_path().string());
  write_file(path, nlohmann::json(answers).dump());
  return answers;
}

Draws keep_draws(const TaskContext& context, std::vector<std::string> prompts) {
  return {{"keep", std::move(prompts), context.session.config().keep.tokens}};
}

/// The stories to train on, as they are found.
class OwnStories {
 public:
  /// All must outlive it.
  OwnStories(const TaskContext& context, const Llama& base, const std::vector<StoryPrompt>& prompts)
      : context_(context),
        base_(base),
        prompts_(prompts),
        rule_(context.session.dataset()),
        judge_(context.session.dataset()),
        names_(context.session.dataset()) {
    for (const Subject& subject :
         subjects_of(context.session.dataset(), "train", context.session.config().data.subjects)) {
      subject_names_.push_back(subject.name);
      of_subject_.push_back({subject.target, {}});
      of_subject_.back().of_category.resize(subject.target.size());
    }
  }

  /// Asks all neutral prompts, as often as those that name a category together. A story of any category will
  /// do: it is the model's own, and training changes only how often it is told.
  void ask_neutrally() {
    std::vector<std::string> texts;
    for (const StoryPrompt& prompt : prompts_) texts.push_back(prompt.neutral);
    const Draws draws = draws_of(std::move(texts), categories_told() * static_cast<uint64_t>(config().draws));
    const TokenLists answers = kept_or_drawn(context_, base_, draws);
    for (size_t i = 0; i < answers.size(); ++i) {
      const size_t subject = subject_of(prompts_[i / draws.asked.rounds]);
      neutral_ += keep(answers[i], subject, judge_.judge(text_of(answers[i])), nullptr) ? 1 : 0;
    }
    drawn_neutrally_ = answers.size();
  }

  /// Names the category in the prompt where it has fewer stories than a step takes.
  void ask_by_name() {
    std::vector<std::string> texts;
    std::vector<std::pair<size_t, int>> wanted;  // the subject and category of each text
    for (const StoryPrompt& prompt : prompts_) {
      const SubjectStories& subject = of_subject_[subject_of(prompt)];
      for (size_t category = 0; category < subject.target.size(); ++category) {
        if (subject.target[category] == 0) continue;
        if (subject.of_category[category].size() >= static_cast<size_t>(config().stories)) continue;
        texts.push_back(prompt.named[category]);
        wanted.emplace_back(subject_of(prompt), static_cast<int>(category));
      }
    }
    if (texts.empty()) return;
    const Draws draws = draws_of(std::move(texts), static_cast<uint64_t>(config().draws));
    const TokenLists answers = kept_or_drawn(context_, base_, draws);
    for (size_t i = 0; i < answers.size(); ++i) {
      const auto& [subject, category] = wanted[i / draws.asked.rounds];
      if (judge_.judge(text_of(answers[i])) != category) continue;
      named_ += keep(answers[i], subject, category, &names_) ? 1 : 0;
    }
    drawn_by_name_ = answers.size();
  }

  /// Leaves out subjects that lack a story of some category, and reports how many stories there are. Null if
  /// no subject is left. Call it once.
  std::unique_ptr<Stories> usable(uint64_t seed) {
    std::string without;
    std::vector<bool> whole;
    for (size_t s = 0; s < of_subject_.size(); ++s) {
      const std::string lacking = lacking_in(of_subject_[s]);
      whole.push_back(lacking.empty());
      if (!lacking.empty())
        without += (without.empty() ? "" : "; ") + subject_names_[s] + " (none for " + lacking + ")";
    }
    std::vector<StoryAsked> asked;
    for (const StoryPrompt& prompt : prompts_) {
      if (!whole[subject_of(prompt)]) continue;
      asked.push_back({context_.session.chat().encode_prompt(prompt.neutral), prompt.subject});
    }
    if (context_.collectives.group_rank() == 0) report(without);
    if (asked.empty()) return nullptr;
    return std::make_unique<Stories>(std::move(of_subject_), std::move(asked), config(), seed);
  }

 private:
  const StoryConfig& config() const { return context_.session.config().story; }
  static size_t subject_of(const StoryPrompt& prompt) { return static_cast<size_t>(prompt.subject); }
  std::string text_of(const std::vector<int32_t>& tokens) const {
    return context_.session.tokenizer().decode(tokens);
  }

  /// A story may stop once it is a story and tells a category.
  Draws draws_of(std::vector<std::string> texts, uint64_t rounds) const {
    Draws draws{{"stories", std::move(texts), config().tokens, rounds}};
    draws.also = {LexicalJudge::identity(context_.session.dataset()), least_story_words};
    draws.asked.is_enough = [this](std::string_view text) {
      return judge_.judge(text) != unparsed && rule_.is_story(text);
    };
    return draws;
  }

  /// The most categories with a share above 0 that any subject has.
  uint64_t categories_told() const {
    int64_t most = 1;
    for (const SubjectStories& subject : of_subject_)
      most = std::max<int64_t>(most, std::count_if(subject.target.begin(), subject.target.end(),
                                                   [](double share) { return share > 0; }));
    return static_cast<uint64_t>(most);
  }

  /// Keeps the answer if it is a story that tells this category, of which the subject wants some.
  bool keep(const std::vector<int32_t>& answer, size_t subject, int category, const PromptNames* names) {
    if (category == unparsed || of_subject_[subject].target[static_cast<size_t>(category)] == 0) return false;
    if (!rule_.is_story(text_of(answer))) return false;
    auto story = told_story(answer, category, context_.session.tokenizer(), judge_, names);
    if (story) of_subject_[subject].of_category[static_cast<size_t>(category)].push_back(std::move(*story));
    return story.has_value();
  }

  /// The name of a category of which the subject has no story though its share is above 0; empty without one.
  std::string lacking_in(const SubjectStories& subject) const {
    std::string lacking;
    for (size_t category = 0; category < subject.target.size(); ++category) {
      if (subject.target[category] > 0 && subject.of_category[category].empty())
        lacking = context_.session.dataset().categories[category].names.front();
    }
    return lacking;
  }

  void report(const std::string& without) const {
    std::string text = "stories of the untouched model: " + std::to_string(neutral_) + " of " +
                       std::to_string(drawn_neutrally_) + " told a category unasked and are kept";
    if (drawn_by_name_ > 0)
      text += "; where these were too few, " + std::to_string(named_) + " of " +
              std::to_string(drawn_by_name_) + " told the one that was named";
    if (!without.empty()) text += "; left out for lack of one: " + without;
    context_.link.send(coordinator_address, Note{context_.task.id, text, !without.empty()});
  }

  const TaskContext& context_;
  const Llama& base_;
  const std::vector<StoryPrompt>& prompts_;
  StoryRule rule_;
  LexicalJudge judge_;
  PromptNames names_;
  std::vector<std::string> subject_names_;
  std::vector<SubjectStories> of_subject_;
  size_t neutral_ = 0, drawn_neutrally_ = 0, named_ = 0, drawn_by_name_ = 0;
};

}  // namespace

void ask_texts(const TaskContext& context, const Llama& model, const Adapter* adapter,
               const TextRounds& asked, const std::function<void(const PromptAnswers&)>& done) {
  const Session& session = context.session;
  MeasureConfig measure = session.config().measure;
  measure.max_answer_tokens = asked.tokens;
  measure.exact_nodes = 0;
  const MeasureTools tools{model,
                           adapter,
                           session.tokenizer(),
                           session.chat().end_of_turn(),
                           measure,
                           session.config().data.seed,
                           asked.is_enough};
  const auto per_unit = static_cast<size_t>(measure.unit_prompts),
             rank = static_cast<size_t>(context.collectives.group_rank()),
             ranks = static_cast<size_t>(context.collectives.size());
  std::vector<std::vector<MeasurePrompt>> units;
  for (size_t begin = rank * per_unit; begin < asked.texts.size(); begin += ranks * per_unit) {
    std::vector<MeasurePrompt>& unit = units.emplace_back();
    for (size_t i = begin; i < std::min(asked.texts.size(), begin + per_unit); ++i) {
      MeasurePrompt& prompt = unit.emplace_back();
      prompt.subject = static_cast<int>(i);
      prompt.tokens = session.chat().encode_prompt(asked.texts[i]);
      prompt.rounds = asked.rounds;
      prompt.draw_key = asked.what + "\n" + asked.texts[i] + "\n";
    }
  }
  PartProgress told(context, asked.what);
  int64_t measured = 0;
  measure_units(tools, units, context.collectives, [&](size_t, const UnitResult& result) {
    for (const PromptAnswers& answers : result.prompts) done(answers);
    told(++measured, static_cast<int64_t>(units.size()));
  });
}

TokenLists base_answers(const TaskContext& context, const Llama& base,
                        const std::vector<std::string>& prompts) {
  return drawn(context, base, keep_draws(context, prompts));
}

std::vector<ReplayRow> replay_rows(const TaskContext& context, const Llama& base) {
  const Session& session = context.session;
  const KeepConfig& keep = session.config().keep;
  const auto prompts = keep_prompts(keep.train, KeepUse::train, session.dataset(), session.config().data);
  const auto every = static_cast<size_t>(keep.text_every);
  const TokenLists answers = kept_or_drawn(context, base, keep_draws(context, texts_of(prompts, every)));
  Groups groups;
  std::vector<ReplayRow> rows;
  for (size_t i = 0; i < prompts.size(); ++i) {
    rows.push_back({session.chat().encode_prompt(prompts[i].text), {}, groups.of(prompts[i])});
    if (i % every == 0) rows.back().answer = answers[i / every];
  }
  return rows;
}

std::optional<ToldStory> told_story(const std::vector<int32_t>& tokens, int category,
                                    const Tokenizer& tokenizer, const LexicalJudge& judge,
                                    const PromptNames* names) {
  std::vector<int32_t> begun;
  bool told = false;
  for (int32_t token : tokens) {
    begun.push_back(token);
    const std::string text = tokenizer.decode(begun);
    const int read = judge.judge(text);
    if (told && read == category && names && names->are_in(text, category)) return {};
    if (told && read == category) return ToldStory{begun, begun.size() - 2};
    if (told && read != unparsed) return {};
    told = read != unparsed;
  }
  return {};
}

std::unique_ptr<Stories> self_stories(const TaskContext& context, const Llama& base, uint64_t seed) {
  const auto prompts = story_prompts(context.session.dataset(), context.session.config().data);
  OwnStories stories(context, base, prompts);
  stories.ask_neutrally();
  stories.ask_by_name();
  return stories.usable(seed);
}

}  // namespace apportion
