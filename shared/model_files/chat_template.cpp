// ChatML as the model's own Jinja template writes it. The template is not run: it is compared, character by
// character, with the one form known here, whose only free part is the default system message.
#include "shared/model_files/chat_template.h"

#include <optional>

#include "shared/base/digest.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr const char* template_key = "tokenizer.chat_template";
constexpr std::string_view start_name = "<|im_start|>";
constexpr std::string_view end_name = "<|im_end|>";

constexpr std::string_view before_system =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\n";
constexpr std::string_view after_system =
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// `text` with Jinja's "\n" in strings as the character that it stands for.
std::string unescape_newlines(std::string text) {
  for (size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at))
    text.replace(at, 2, "\n");
  return text;
}

/// The default system message of the known template, or nothing when `text` is another.
std::optional<std::string> system_message(const std::string& text) {
  std::string_view rest = text;
  if (rest.size() < before_system.size() + after_system.size()) return {};
  if (rest.substr(0, before_system.size()) != before_system) return {};
  rest.remove_prefix(before_system.size());
  if (rest.substr(rest.size() - after_system.size()) != after_system) return {};
  rest.remove_suffix(after_system.size());
  // A quote, a backslash or a turn's mark would make it more than one plain string.
  if (rest.find_first_of("'\\") != std::string_view::npos || rest.find("<|") != std::string_view::npos)
    return {};
  return std::string(rest);
}

int32_t required_special(const Gguf& gguf, const Tokenizer& tokenizer, std::string_view name) {
  std::optional<int32_t> id = tokenizer.special_id(name);
  if (!id) {
    gguf.fail("tokenizer.ggml.tokens",
              "ChatML needs the special token " + std::string(name) + ", and there is none");
  }
  return *id;
}

std::string user_turn(std::string_view user) { return "user\n" + std::string(user); }

constexpr std::string_view assistant_opening = "assistant\n";

}  // namespace

ChatTemplate::ChatTemplate(const Gguf& gguf, const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  std::optional<std::string> system = system_message(unescape_newlines(gguf.text(template_key)));
  if (!system) {
    gguf.fail(template_key,
              "tokenizer.chat_template is not ChatML with a default system turn, the form known here");
  }
  system_ = std::move(*system);
  start_of_turn_ = required_special(gguf, tokenizer, start_name);
  end_of_turn_ = required_special(gguf, tokenizer, end_name);
  digest_ = digest_of(gguf);
}

/// Every text goes in with its length, so that no two lists of texts look the same.
std::string ChatTemplate::digest_of(const Gguf& gguf) const {
  Digest digest;
  auto add = [&](std::string_view text) { digest.add(std::to_string(text.size()) + ':').add(text); };
  add(render_prompt(""));
  add(gguf.text("tokenizer.ggml.pre"));
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    digest.add(std::to_string(gguf.texts(key).size()) + ' ');
    for (const std::string& text : gguf.texts(key)) add(text);
  }
  for (int32_t id = 0; id < tokenizer_.vocabulary_size(); ++id)
    digest.add(tokenizer_.is_special(id) ? "s" : "n");
  return digest.hex();
}

std::string ChatTemplate::render_prompt(std::string_view user) const {
  std::string text;
  for (const std::string& turn : {"system\n" + system_, user_turn(user)}) {
    text.append(start_name).append(turn).append(end_name).append("\n");
  }
  return text.append(start_name).append(assistant_opening);
}

/// Marks of turns go in as ids and all that stands between them as plain text, which is what keeps a user
/// from writing turns. The reference cuts a text at its special tokens too before it looks for words.
void ChatTemplate::append_text(std::string_view text, std::vector<int32_t>& ids) const {
  for (const TokenSpan& token : tokenizer_.encode(text, SpecialTokens::as_text)) ids.push_back(token.id);
}

std::vector<int32_t> ChatTemplate::encode_opening(std::string_view user) const {
  std::vector<int32_t> ids;
  for (const std::string& turn : {"system\n" + system_, user_turn(user)}) {
    ids.push_back(start_of_turn_);
    append_text(turn, ids);
    ids.push_back(end_of_turn_);
    append_text("\n", ids);
  }
  ids.push_back(start_of_turn_);
  return ids;
}

std::vector<int32_t> ChatTemplate::encode_prompt(std::string_view user) const {
  std::vector<int32_t> ids = encode_opening(user);
  append_text(assistant_opening, ids);
  return ids;
}

EncodedTurn ChatTemplate::encode_turn(std::string_view user, std::string_view answer) const {
  EncodedTurn turn{encode_opening(user), {}};
  std::string text(assistant_opening);
  text += answer;
  bool straddles = false;
  for (const TokenSpan& token : tokenizer_.encode(text, SpecialTokens::as_text)) {
    bool of_prompt = token.begin < assistant_opening.size();
    straddles = straddles || (of_prompt && token.end > assistant_opening.size());
    (of_prompt ? turn.prompt : turn.answer).push_back(token.id);
  }
  if (straddles || turn.prompt != encode_prompt(user)) {
    throw UserError(
        "the answer \"" + std::string(answer) +
        "\" changes the tokens of its prompt: it must not begin with line breaks or spaces that join them");
  }
  turn.answer.push_back(end_of_turn_);
  return turn;
}

}  // namespace apportion
