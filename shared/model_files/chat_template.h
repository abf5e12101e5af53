// Turns of a chat as text and tokens: ChatML with the model's own default system turn.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/model_files/gguf.h"
#include "shared/model_files/tokenizer.h"

namespace apportion {

/// A prompt's tokens and an answer's, tokenised once together and split where the answer begins.
/// `answer` ends with the end-of-turn token, which is trained like the rest.
struct EncodedTurn {
  std::vector<int32_t> prompt;
  std::vector<int32_t> answer;
};

class ChatTemplate {
 public:
  /// Recognises ChatML in `tokenizer.chat_template` and takes its default system message from there.
  /// Throws DataError for a template it does not know. The tokenizer must outlive this.
  ChatTemplate(const Gguf& gguf, const Tokenizer& tokenizer);

  /// System turn (the default), user turn with `user`, and the opening of the assistant's turn.
  std::vector<int32_t> encode_prompt(std::string_view user) const;

  /// As encode_prompt, with the assistant's `answer` and its end-of-turn token. Throws UserError when the
  /// prompt's tokens are not a prefix of the whole (the answer would change them).
  EncodedTurn encode_turn(std::string_view user, std::string_view answer) const;

  int32_t end_of_turn() const { return end_of_turn_; }
  /// The text of the turns, as the tokenizer sees it.
  std::string render_prompt(std::string_view user) const;
  /// SHA-256 over what decides the tokens of a prompt.
  const std::string& digest() const { return digest_; }

 private:
  std::string digest_of(const Gguf& gguf) const;
  void append_text(std::string_view text, std::vector<int32_t>& ids) const;
  /// The turns up to and including the mark that starts the assistant's.
  std::vector<int32_t> encode_opening(std::string_view user) const;

  const Tokenizer& tokenizer_;
  std::string system_;
  std::string digest_;
  int32_t start_of_turn_ = -1;
  int32_t end_of_turn_ = -1;
};

}  // namespace apportion
