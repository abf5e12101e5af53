// A chat's turns as text and tokens, as the model's own template (Jinja) writes them. jinja/ implements
// Jinja.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/tokens/tokenizer.h"

namespace apportion {

namespace jinja {
class Template;
}

/// One turn of a chat.
struct ChatMessage {
  std::string_view role;  // "system" (only the first), "user" or "assistant"
  std::string_view content;
};

/// A prompt's tokens and an answer's, tokenised once together and split where the answer begins. `answer`
/// ends with the end-of-turn token, which is trained like the rest.
struct EncodedTurn {
  std::vector<int32_t> prompt;
  std::vector<int32_t> answer;
};

/// Names of special tokens become tokens where the template writes them, and stay plain text in what a user,
/// an answer or the system text says: whoever asks cannot write turns. A template that asks for the date gets
/// 26 July 2024, which Llama 3's template names itself, so that prompts are the same every day.
class ChatTemplate {
 public:
  /// `system` is `default` (what the template does when nobody says anything), `none` (no system turn at all)
  /// or the text of the system turn. Throws DataError for a template that is malformed, that uses something
  /// unknown here, or whose answers no special token ends; UserError for a `system` that the template does
  /// not take. The tokenizer must outlive this.
  ChatTemplate(const TokenizerTables& tables, const Tokenizer& tokenizer, std::string system = "default");

  /// System turn (as `system` says), user turn with `user`, and the opening of the assistant's turn. Starts
  /// with one begin-of-text token if the template writes it, or else if the tokenizer adds it. Throws
  /// UserError when the template refuses that text.
  std::vector<int32_t> encode_prompt(std::string_view user) const;

  /// Like encode_prompt, with the assistant's `answer` and its end-of-turn token. Throws UserError when the
  /// prompt's tokens are not a prefix of the whole (the answer would change them).
  EncodedTurn encode_turn(std::string_view user, std::string_view answer) const;

  /// The same for a chat of several turns, which brings any system turn itself: the constructor's `system`
  /// does not count.
  EncodedTurn encode_turns(const std::vector<ChatMessage>& prompt, std::string_view answer) const;

  /// The special token that the template writes after an answer.
  int32_t end_of_turn() const { return end_of_turn_; }
  /// The text of the turns, as the tokenizer sees it.
  std::string render_prompt(std::string_view user) const;
  /// SHA-256 over everything that decides the tokens of a prompt.
  const std::string& digest() const { return digest_; }

 private:
  std::string digest_of(const TokenizerTables& tables) const;
  /// The job's system turn, if it has one, and the user's turn.
  std::vector<ChatMessage> turns(std::string_view user) const;
  /// The turns' text: with an answer also its turn and nothing after it; without one, the opening of its
  /// turn.
  std::vector<TextPart> render(const std::vector<ChatMessage>& prompt, const std::string_view* answer) const;
  void check_begin_of_text(const TokenizerTables& tables) const;
  void check_no_system() const;
  void check_system_text() const;
  /// -1 when there is none.
  int32_t find_end_of_turn() const;

  const Tokenizer& tokenizer_;
  std::shared_ptr<const jinja::Template> template_;
  std::string system_;
  std::string bos_token_, eos_token_;
  bool add_bos_;
  int32_t end_of_turn_ = -1;
  std::string digest_;
};

}  // namespace apportion
