// Prints the tokens of texts, for tokenizer_test.py: `tokenizer_dump MODEL.gguf parse|as_text|prompt <
// TEXTS`. Each text ends with a NUL byte. A text gives a line of "id:begin:end"; with `prompt` it is a user's
// turn, and the line has the ids of the whole prompt.
#include <cstdio>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/model_files/chat_template.h"
#include "shared/model_files/tokenizer.h"

namespace apportion {
namespace {

std::string spell(const std::vector<TokenSpan>& tokens) {
  std::string line;
  for (const TokenSpan& token : tokens) {
    if (!line.empty()) line += ' ';
    line += std::to_string(token.id) + ':' + std::to_string(token.begin) + ':' + std::to_string(token.end);
  }
  return line;
}

std::string spell(const std::vector<int32_t>& ids) {
  std::string line;
  for (int32_t id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
  return line;
}

void dump(const std::string& path, std::string_view mode) {
  Gguf gguf(path);
  Tokenizer tokenizer(gguf);
  ChatTemplate chat(gguf, tokenizer);
  std::string texts(std::istreambuf_iterator<char>(std::cin), {});
  for (size_t begin = 0, end = 0; (end = texts.find('\0', begin)) != std::string::npos; begin = end + 1) {
    std::string_view text = std::string_view(texts).substr(begin, end - begin);
    if (mode == "prompt") {
      std::puts(spell(chat.encode_prompt(text)).c_str());
    } else {
      SpecialTokens special = mode == "parse" ? SpecialTokens::parse : SpecialTokens::as_text;
      std::puts(spell(tokenizer.encode(text, special)).c_str());
    }
  }
}

}  // namespace
}  // namespace apportion

int main(int count, char** arguments) {
  try {
    if (count != 3)
      throw apportion::UserError("usage: tokenizer_dump MODEL.gguf parse|as_text|prompt < TEXTS");
    apportion::dump(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_dump: %s\n", error.what());
    return 2;
  }
  return 0;
}
