// Cuts a template into lexemes: text outside its tags, and what is inside them. White space around tags is
// dropped here, as transformers sets Jinja up (trim_blocks, lstrip_blocks, no trailing line break).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace apportion::jinja {

struct Lexeme {
  enum class Kind {
    text,          // outside tags; `text` is what is written
    output_begin,  // {{
    output_end,    // }}
    block_begin,   // {%
    block_end,     // %}
    name,
    string,    // `text` is what it stands for
    integer,   // its digits
    number,    // with a point or an exponent
    operation  // one of Jinja's operators and brackets
  };
  Kind kind;
  std::string text;
  int line;
};

/// The lexemes of a template, up to 2^20 bytes of it. Throws JinjaError for anything that Jinja's own lexer
/// refuses (a tag or string without its end, an odd character, brackets that do not match) and for what is
/// unknown here: names that are not ASCII, numbers with other bases or underscores.
std::vector<Lexeme> lex(std::string_view source);

}  // namespace apportion::jinja
