#include "shared/model/steering.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "shared/base/error.h"
#include "shared/data/example.h"
#include "shared/data/target.h"

namespace apportion {
namespace {

struct Kind {
  Steering steering;
  const char* value;  // of the key
  const char* texts;
};
/// In the order they are tried: digits say least, and words are the least alike.
constexpr Kind kinds[] = {{Steering::digit, "digit", "digits"},
                          {Steering::letter, "letter", "letters"},
                          {Steering::word, "word", "words"}};

const Kind& kind_of(Steering steering) {
  const auto* const found = std::find_if(std::begin(kinds), std::end(kinds),
                                         [&](const Kind& kind) { return kind.steering == steering; });
  ensure(found != std::end(kinds), "a kind of steering texts");
  return *found;
}

/// Texts and their tokens, by category.
struct Fit {
  std::vector<std::string> texts, unfit;
  std::vector<int32_t> tokens;  // only of those that fit
};

Fit fit_of(const ChatTemplate& chat, const std::string& prompt, size_t categories, Steering steering) {
  Fit fit;
  for (size_t j = 0; j < categories; ++j) {
    const std::string& text = fit.texts.emplace_back(steering_text(steering, static_cast<int>(j)));
    const int32_t token = steering_token(chat, prompt, text);
    const bool is_new = std::find(fit.tokens.begin(), fit.tokens.end(), token) == fit.tokens.end();
    if (token >= 0 && is_new) {
      fit.tokens.push_back(token);
    } else {
      fit.unfit.push_back(text);
    }
  }
  return fit;
}

/// "0, 1, 2"; of many, the first few and their number.
std::string list_of(std::vector<std::string> texts) {
  constexpr size_t few = 6;
  if (texts.size() <= few) return fmt::format("{}", fmt::join(texts, ", "));
  const size_t all = texts.size();
  texts.resize(few - 1);
  return fmt::format("{}, ... ({} of them)", fmt::join(texts, ", "), all);
}

/// What would work instead of `steering`.
std::string proposal(const ChatTemplate& chat, const std::string& prompt, size_t categories,
                     Steering steering) {
  for (const Kind& kind : kinds) {
    if (kind.steering == steering || categories > static_cast<size_t>(most_steered(kind.steering))) continue;
    const Fit fit = fit_of(chat, prompt, categories, kind.steering);
    if (!fit.unfit.empty()) continue;
    return fmt::format("{} ({}) are: use steering = {}, or auto, which takes what fits", kind.texts,
                       list_of(fit.texts), kind.value);
  }
  return "nor are other digits, letters or words: use steering = path, which needs none";
}

/// Why a kind cannot stand for the dataset's categories; empty: it can.
std::string why_not(const Dataset& dataset, const ChatTemplate& chat, const std::string& prompt,
                    const Kind& kind, Fit& fit) {
  const size_t categories = dataset.categories.size();
  if (const int most = most_steered(kind.steering); categories > static_cast<size_t>(most))
    return fmt::format("there are {} {}", most, kind.texts);
  try {
    check_steering(dataset, kind.steering);
  } catch (const UserError&) {
    return fmt::format("of the {} one is a category's name", kind.texts);
  }
  fit = fit_of(chat, prompt, categories, kind.steering);
  if (fit.unfit.empty()) return "";
  return fmt::format("of the {} {} {} not", kind.texts, list_of(fit.unfit),
                     fit.unfit.size() == 1 ? "is" : "are");
}

/// The first training prompt of a configuration, and its model's turns.
struct FirstPrompt {
  TokenizerTables tables;
  Tokenizer tokenizer;
  ChatTemplate chat;
  std::string prompt;

  FirstPrompt(const RunConfig& config, const Dataset& dataset, const ModelFiles& model)
      : tables(model.tokenizer()),
        tokenizer(tables),
        chat(tables, tokenizer, config.data.system),
        prompt(prompts_of(dataset, "train", config.data.holdout_wordings, 1).front().text) {
    chat.encode_prompt(prompt);  // throws if the template refuses the prompt itself
  }
};

}  // namespace

int32_t steering_token(const ChatTemplate& chat, const std::string& prompt, const std::string& text) {
  try {
    const EncodedTurn turn = chat.encode_turn(prompt, text + " x"), alone = chat.encode_turn(prompt, text);
    const bool is_one = alone.answer.size() == 2 && turn.answer.front() == alone.answer.front();
    return is_one ? alone.answer.front() : -1;
  } catch (const UserError&) {  // it changes the prompt's tokens
    return -1;
  }
}

std::vector<int32_t> steering_tokens(const ChatTemplate& chat, const std::string& prompt, size_t categories,
                                     Steering steering) {
  if (steering == Steering::path) return {};
  const Kind& kind = kind_of(steering);
  Fit fit = fit_of(chat, prompt, categories, steering);
  if (fit.unfit.empty()) return std::move(fit.tokens);
  chat.encode_prompt(prompt);  // throws if the template refuses the prompt itself
  throw UserError(fmt::format("steering = {}: {} {} not one token each where this model's answers begin; {}",
                              kind.value, list_of(fit.unfit), fit.unfit.size() == 1 ? "is" : "are",
                              proposal(chat, prompt, categories, steering)));
}

void check_steering_tokens(const RunConfig& config, const Dataset& dataset, const ModelFiles& model) {
  if (config.steering == Steering::path) return;
  const FirstPrompt first(config, dataset, model);
  steering_tokens(first.chat, first.prompt, dataset.categories.size(), config.steering);
}

std::string resolve_steering(RunConfig& config) {
  if (config.steering != Steering::automatic) return "";
  const Dataset dataset = load_dataset(config.data);
  const std::unique_ptr<ModelFiles> files = open_model(config.data.model);
  const FirstPrompt first(config, dataset, *files);
  std::string tried;
  for (const Kind& kind : kinds) {
    Fit fit;
    const std::string reason = why_not(dataset, first.chat, first.prompt, kind, fit);
    if (reason.empty()) {
      resolve_option(config, "steering", kind.value);
      return fmt::format("steering = {} (auto): {} stand for the categories{}{}", kind.value,
                         list_of(fit.texts), tried.empty() ? "" : "; ", tried);
    }
    tried += (tried.empty() ? "" : ", ") + reason;
  }
  throw UserError(
      fmt::format("steering = auto finds nothing for {} categories that is one token each where this model's "
                  "answers begin: {}; use steering = path, which needs none",
                  dataset.categories.size(), tried));
}

}  // namespace apportion
