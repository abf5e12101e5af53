#include "shared/model/prompt_lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "shared/base/error.h"
#include "shared/config/method.h"
#include "shared/data/example.h"
#include "shared/data/keep.h"
#include "shared/data/question.h"
#include "shared/data/story_prompts.h"
#include "shared/data/templates.h"
#include "shared/tokens/chat_template.h"

namespace apportion {
namespace {

/// The longest allowed answer, and the key that says so ("": the dataset does).
struct AnswerLimit {
  int tokens;
  std::string key;
};

}  // namespace

class LengthCheck::Rules {
 public:
  Rules(const RunConfig& config, const Dataset& dataset, const ModelFiles& model)
      : config_(config),
        dataset_(dataset),
        model_(model),
        subjects_(subjects_of(dataset, "train", config.data.subjects)),
        context_(model.shape().context_length),
        turns_bytes_(model.tokenizer().chat_template.value.value_or("").size() + config.data.system.size()) {
    for (const Subject& subject : subjects_) answers_.push_back(answers_about(subject));
  }

  void check_added(const std::vector<std::string>& wordings) {
    if (!surely_fit(wordings)) check_training(wordings, &Rules::somewhere);
  }

  void check() {
    if (config_.data.system != default_system) chat();  // throws if the template does not take it
    for (const std::string& test_set : config_.measure.test_sets) check_test_set(test_set);
    const bool trains = !stages_of(config_.method, config_.steering).empty();
    if (trains) check_training();
    const AnswerLimit kept = {config_.keep.tokens, "retain_tokens"};
    if (trains && config_.keep.weight > 0) check_keep_list(config_.keep.train, KeepUse::train, kept);
    if (trains && config_.keep.measure) check_keep_list(config_.keep.test, KeepUse::test, kept);
    if (trains && config_.story.answers == Answers::self) check_stories();
  }

 private:
  void check_test_set(const std::string& test_set) {
    const std::vector<Subject> subjects = subjects_of(dataset_, test_set, config_.data.subjects);
    const std::vector<std::string> wordings = wordings_of(dataset_, test_set, config_.data.holdout_wordings);
    const Asking asking = description_of(config_.method).asking;
    const MeasureConfig& measure = config_.measure;
    const AnswerLimit plain = test_set == "v3" ? AnswerLimit{measure.story_tokens, "story_tokens"}
                                               : AnswerLimit{measure.max_answer_tokens, "max_answer_tokens"};
    const AnswerLimit listed = {measure.verbalized_tokens, "verbalized_tokens"};
    const auto prompts = prompts_of(dataset_, test_set, config_.data.holdout_wordings, config_.data.subjects);
    for (const Prompt& prompt : prompts) {
      const Subject& subject = subjects[static_cast<size_t>(prompt.subject)];
      const std::string& wording = wordings[static_cast<size_t>(prompt.wording)];
      const auto place = [&] { return Place{line_of(wording), subject.name}; };
      need_room(prompt.text, plain, place);
      if (asking == Asking::plainly) continue;
      for (const Turn& turn : turns_of(prompt, subject, dataset_.categories, asking))
        need_room(turn.text, asking == Asking::for_probabilities ? listed : plain, place);
    }
  }

  void check_training() {
    check_training(wordings_of(dataset_, "train", config_.data.holdout_wordings), &Rules::line_of);
  }

  /// The place of a framed wording, whose middle is some line of the dataset.
  TextLine somewhere(const std::string&) const { return {"", dataset_.path, 0}; }

  void check_training(const std::vector<std::string>& wordings,
                      TextLine (Rules::*line)(const std::string&) const) {
    for (size_t subject = 0; subject < subjects_.size(); ++subject) {
      for (const std::string& wording : wordings) {
        const std::string text = fill_wording(wording, subjects_[subject]);
        for (const std::string& answer : answers_[subject]) {
          if (has_room(text, most_tokens(answer))) continue;
          const auto tokens = static_cast<int>(chat().encode_turn(text, answer).answer.size());
          need_room(text, {tokens, ""}, [&] {
            return Place{(this->*line)(wording), subjects_[subject].name};
          });
        }
      }
    }
  }

  /// A token has at least one byte; one more token ends the turn.
  static int most_tokens(const std::string& answer) { return static_cast<int>(answer.size()) + 1; }

  /// Whether they fit with a subject longer than any, and with the longest answer.
  bool surely_fit(const std::vector<std::string>& wordings) const {
    Subject longest = subjects_.front();
    int tokens = 0;
    for (size_t subject = 0; subject < subjects_.size(); ++subject) {
      for (auto& [name, value] : longest.placeholders) {
        const std::string& own = subjects_[subject].placeholders.at(name);
        if (own.size() > value.size()) value = own;
      }
      for (const std::string& answer : answers_[subject]) tokens = std::max(tokens, most_tokens(answer));
    }
    return std::all_of(wordings.begin(), wordings.end(), [&](const std::string& wording) {
      return has_room(fill_wording(wording, longest), tokens);
    });
  }

  /// Answers for each category and form, after a steering token if the job has one.
  std::vector<std::string> answers_about(const Subject& subject) const {
    std::vector<std::string> answers;
    const std::vector<Stage> stages = stages_of(config_.method, config_.steering);
    const bool steered = std::any_of(stages.begin(), stages.end(), [](const Stage& stage) {
      return stage.answers == AnswerStyle::steered;
    });
    for (const auto& answer : plain_answers(dataset_, subject)) {
      answers.push_back((steered ? steering_text(config_.steering, answer.category) + " " : "") +
                        answer.text);
    }
    return answers;
  }

  void check_keep_list(const std::string& list, KeepUse use, const AnswerLimit& answer) {
    for (const KeepPrompt& prompt : keep_prompts(list, use, dataset_, config_.data)) {
      need_room(prompt.text, answer, [&] {
        return Place{prompt.line.line > 0 ? prompt.line : line_of(prompt.line.text), ""};
      });
    }
  }

  void check_stories() {
    const AnswerLimit answer = {config_.story.tokens, "self_tokens"};
    for (const StoryPrompt& prompt : story_prompts(dataset_, config_.data)) {
      std::vector<std::string> turns = prompt.named;
      turns.push_back(prompt.neutral);
      const std::string& line = dataset_.wordings.at("stories")[static_cast<size_t>(prompt.wording)];
      const std::string& subject = subjects_[static_cast<size_t>(prompt.subject)].name;
      for (const std::string& turn : turns)
        need_room(turn, answer, [&] { return Place{line_of(line), subject}; });
    }
  }

  /// Where a prompt is, and which subject it is about.
  struct Place {
    TextLine line;
    std::string subject;
  };

  /// Goes by bytes, since each token has at least one.
  bool has_room(const std::string& text, int answer_tokens) const {
    return static_cast<int64_t>(text.size() + turns_bytes_) + answer_tokens <= context_;
  }

  template <typename FindPlace>
  void need_room(const std::string& text, const AnswerLimit& answer, const FindPlace& find_place) {
    if (has_room(text, answer.tokens)) return;
    const auto tokens = static_cast<int64_t>(chat().encode_prompt(text).size());
    if (tokens + answer.tokens - 1 <= context_) return;  // nothing follows the last token
    const Place place = find_place();
    const std::string whose =
        place.subject.empty() ? "the prompt" : "the prompt about \"" + place.subject + "\"";
    const std::string said = fmt::format(
        "{} has {} tokens with its chat turns, and {} of its answer{}: more than the model's "
        "context of {}; shorten it{}",
        whose, tokens, answer.tokens, answer.key.empty() ? "" : " (" + answer.key + ")", context_,
        answer.key.empty() ? "" : ", or lower " + answer.key);
    if (place.line.line == 0) throw UserError(place.line.file + ": " + said);
    fail_at(place.line.file, place.line.line, said);
  }

  /// Where a wording is in the dataset. Reads its files again: the run ends here anyway.
  TextLine line_of(const std::string& wording) const {
    for (const auto& [section, lines] : read_templates(dataset_.path).wordings) {
      for (const TextLine& line : lines) {
        if (line.text == wording) return line;
      }
    }
    return {wording, dataset_.path, 0};
  }

  const ChatTemplate& chat() {
    if (!chat_) {
      tokenizer_ = std::make_unique<Tokenizer>(model_.tokenizer());
      chat_ = std::make_unique<ChatTemplate>(model_.tokenizer(), *tokenizer_, config_.data.system);
    }
    return *chat_;
  }

  const RunConfig config_;
  const Dataset& dataset_;
  const ModelFiles& model_;
  std::vector<Subject> subjects_;                  // those trained on
  std::vector<std::vector<std::string>> answers_;  // about each
  int64_t context_;
  size_t turns_bytes_;  // chat template, which is longer than what it writes, and system text
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> chat_;
};

LengthCheck::LengthCheck(const RunConfig& config, const Dataset& dataset, const ModelFiles& model)
    : rules_(std::make_unique<Rules>(config, dataset, model)) {}
LengthCheck::LengthCheck(LengthCheck&&) noexcept = default;
LengthCheck::~LengthCheck() = default;

void LengthCheck::check() const { rules_->check(); }

void LengthCheck::check_added(const std::vector<std::string>& wordings) const {
  rules_->check_added(wordings);
}

}  // namespace apportion
