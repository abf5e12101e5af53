#include "shared/tokens/chat_template.h"

#include <optional>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/jinja/template.h"

namespace apportion {
namespace {

using jinja::Origin;
using jinja::Value;

constexpr jinja::Date fixed_date = {2024, 7, 26};

// Texts that no template writes by itself, to see what it does with the texts it is given.
constexpr std::string_view probe_user = "apportion:user", probe_answer = "apportion:answer",
                           probe_system = "apportion:system";

Value value_of(const ChatMessage& message) {
  return Value::mapping({{Value::text("role"), Value::text(message.role)},
                         {Value::text("content"), Value::text(message.content, Origin::input)}});
}

std::string text_of(const std::vector<TextPart>& parts) {
  std::string text;
  for (const TextPart& part : parts) text += part.text;
  return text;
}

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, const std::vector<TextPart>& parts) {
  std::vector<int32_t> ids;
  for (const TokenSpan& token : tokenizer.encode(parts)) ids.push_back(token.id);
  return ids;
}

std::shared_ptr<const jinja::Template> read_template(const TokenizerTables& tables) {
  const auto& text = tables.chat_template.value;
  if (!text) tables.fail_template("the model has no " + tables.template_name());
  try {
    return std::make_shared<const jinja::Template>(*text);
  } catch (const jinja::JinjaError& error) {
    tables.fail_template(tables.template_name() + ", " + error.what());
  }
}

[[noreturn]] void fail_system(const std::string& value, const std::string& reason) {
  throw UserError("system = " + value + ": " + reason);
}

}  // namespace

ChatTemplate::ChatTemplate(const TokenizerTables& tables, const Tokenizer& tokenizer, std::string system)
    : tokenizer_(tokenizer),
      template_(read_template(tables)),
      system_(std::move(system)),
      bos_token_(tables.bos_token),
      eos_token_(tables.eos_token),
      add_bos_(tables.add_bos) {
  check_begin_of_text(tables);
  if (system_ == "none") {
    check_no_system();
  } else if (system_ != "default") {
    check_system_text();
  }
  try {
    end_of_turn_ = find_end_of_turn();
  } catch (const UserError& error) {
    tables.fail_template(error.what());
  }
  if (end_of_turn_ < 0) {
    tables.fail_template(tables.template_name() +
                         " writes no special token after an answer, so nothing would end it");
  }
  digest_ = digest_of(tables);
}

void ChatTemplate::check_begin_of_text(const TokenizerTables& tables) const {
  if (add_bos_ && !tokenizer_.special_id(bos_token_)) {
    tables.fail(tables.tokens,
                "a begin-of-text token is to be added, and " +
                    (bos_token_.empty() ? "none is named" : bos_token_ + " is not a special token"));
  }
}

/// A template has a system turn of its own when it writes the same before the user's text as before a system
/// text, and then more. (If it puts the system text into the user's turn, the user's text follows at once.)
void ChatTemplate::check_no_system() const {
  const ChatMessage system{"system", probe_system}, user{"user", probe_user};
  const std::string alone = text_of(render({user}, nullptr));
  std::string with_system;
  try {
    with_system = text_of(render({system, user}, nullptr));
  } catch (const UserError&) {
    return;  // it takes no system turn, so it writes none
  }
  const size_t opening = with_system.find(probe_system);
  if (opening == std::string::npos || alone.compare(0, opening, with_system, 0, opening) != 0) return;
  if (alone.compare(opening, probe_user.size(), probe_user) == 0) return;
  fail_system("none", "the model's chat template always writes a system turn; use default or a text");
}

void ChatTemplate::check_system_text() const {
  const std::string shown = one_line(system_.substr(0, 60));
  if (system_.empty()) fail_system("", "use default, none or a text");
  std::string text;
  try {
    text = text_of(render({{"system", probe_system}, {"user", probe_user}}, nullptr));
  } catch (const UserError& error) {
    fail_system(shown, std::string(error.what()) + "; use default or none");
  }
  if (text.find(probe_system) == std::string::npos)
    fail_system(shown, "the model's chat template leaves a system text out; use default or none");
}

int32_t ChatTemplate::find_end_of_turn() const {
  const std::string text = text_of(render(turns(probe_user), &probe_answer));
  const size_t answer = text.rfind(probe_answer);
  if (answer == std::string::npos) return -1;
  std::string rest = text.substr(answer + probe_answer.size());
  rest.erase(0, jinja::leading_space(rest));
  for (const TokenSpan& token : tokenizer_.encode(rest, SpecialTokens::parse)) {
    if (token.begin > 0) break;
    std::string name = rest.substr(0, token.end);
    if (const auto special = tokenizer_.special_id(name)) return *special;
    name.resize(name.size() - jinja::trailing_space(name));  // a token may include these blanks
    if (const auto special = tokenizer_.special_id(name)) return *special;
  }
  return -1;
}

/// Every text is added with its length, so that no two lists of texts look the same.
std::string ChatTemplate::digest_of(const TokenizerTables& tables) const {
  Digest digest;
  auto add = [&](std::string_view text) { digest.add(std::to_string(text.size()) + ':').add(text); };
  add(render_prompt(""));
  add(tables.pre_tokenizer_name);
  for (const double score : tables.scores.value) add(std::to_string(score));
  for (const auto& texts : {tables.tokens.value, tables.merges.value}) {
    digest.add(std::to_string(texts.size()) + ' ');
    for (const std::string& text : texts) add(text);
  }
  for (int32_t id = 0; id < tokenizer_.vocabulary_size(); ++id)
    digest.add(tokenizer_.is_special(id) ? "s" : "n");
  return digest.hex();
}

std::vector<ChatMessage> ChatTemplate::turns(std::string_view user) const {
  std::vector<ChatMessage> turns;
  if (system_ != "default" && system_ != "none") turns.push_back({"system", system_});
  turns.push_back({"user", user});
  return turns;
}

std::vector<TextPart> ChatTemplate::render(const std::vector<ChatMessage>& prompt,
                                           const std::string_view* answer) const {
  std::vector<Value> messages;
  for (const ChatMessage& turn : prompt) messages.push_back(value_of(turn));
  if (answer != nullptr) messages.push_back(value_of({"assistant", *answer}));
  std::vector<std::pair<std::string, Value>> names = {
      {"messages", Value::list(std::move(messages))},
      {"add_generation_prompt", Value::boolean(answer == nullptr)},
      {"tools", jinja::None{}},
      {"documents", jinja::None{}}};
  if (!bos_token_.empty()) names.emplace_back("bos_token", Value::text(bos_token_));
  if (!eos_token_.empty()) names.emplace_back("eos_token", Value::text(eos_token_));
  std::vector<TextPart> parts;
  try {
    for (jinja::TextPiece& piece : template_->render(names, fixed_date)) {
      const bool is_input = piece.origin == Origin::input;
      parts.push_back({std::move(piece.text), is_input ? SpecialTokens::as_text : SpecialTokens::parse});
    }
  } catch (const jinja::JinjaError& error) {
    if (error.refused()) throw UserError("the model's chat template says: " + one_line(error.reason()));
    throw UserError("the model's chat template, " + one_line(error.what()));
  }
  const bool has_bos =
      !parts.empty() && parts[0].special == SpecialTokens::parse && parts[0].text.starts_with(bos_token_);
  if (add_bos_ && !has_bos) parts.insert(parts.begin(), {bos_token_, SpecialTokens::parse});
  return parts;
}

std::string ChatTemplate::render_prompt(std::string_view user) const {
  return text_of(render(turns(user), nullptr));
}

std::vector<int32_t> ChatTemplate::encode_prompt(std::string_view user) const {
  return ids_of(tokenizer_, render(turns(user), nullptr));
}

EncodedTurn ChatTemplate::encode_turn(std::string_view user, std::string_view answer) const {
  return encode_turns(turns(user), answer);
}

EncodedTurn ChatTemplate::encode_turns(const std::vector<ChatMessage>& prompt,
                                       std::string_view answer) const {
  const std::vector<TextPart> opening = render(prompt, nullptr), whole = render(prompt, &answer);
  const std::string opening_text = text_of(opening);
  bool fits = text_of(whole).starts_with(opening_text), ends = false;
  EncodedTurn turn{ids_of(tokenizer_, opening), {}};
  size_t of_prompt = 0;
  for (const TokenSpan& token : tokenizer_.encode(whole)) {
    if (token.begin < opening_text.size()) {
      fits = fits && of_prompt < turn.prompt.size() && token.id == turn.prompt[of_prompt] &&
             token.end <= opening_text.size();
      ++of_prompt;
    } else {
      turn.answer.push_back(token.id);
      ends = token.id == end_of_turn_;
      if (ends) break;  // what the template writes after it begins the next turn
    }
  }
  if (!fits || !ends || of_prompt != turn.prompt.size()) {
    throw UserError(
        "the answer \"" + std::string(answer) +
        "\" changes the tokens of its prompt: it must not begin with line breaks or spaces that join them");
  }
  return turn;
}

}  // namespace apportion
