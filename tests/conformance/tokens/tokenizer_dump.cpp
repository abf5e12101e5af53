// Prints the tokens of texts, for tokenizer_test.py to compare with its peers. Standard input holds texts
// that each end with a zero byte; each gives a line of id:begin:end (offsets in bytes), or with `prompt` the
// ids of the whole prompt around it. `decode` gives the decoded text followed by a zero byte; `digest` prints
// the chat template's digest. Renders templates for template_test.py: `tokenizer_dump templates < CASES`.
// Each line is a JSON object with `template`, `context` and `date` ("YYYY-MM-DD") for strftime_now, and gives
// one with the text, or with the error's line and message.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shared/base/error.h"
#include "shared/jinja/template.h"
#include "shared/model_files/folder/tokenizer_json.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "shared/tokens/chat_template.h"
#include "shared/tokens/tokenizer.h"

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

std::string line_of(const Tokenizer& tokenizer, std::string_view mode, std::string_view text) {
  const SpecialTokens special = mode == "parse" ? SpecialTokens::parse : SpecialTokens::as_text;
  const std::vector<TokenSpan> tokens = tokenizer.encode(text, special);
  if (mode != "decode") return spell(tokens) + '\n';
  std::vector<int32_t> ids;
  for (const TokenSpan& token : tokens) ids.push_back(token.id);
  return tokenizer.decode(ids) + '\0';
}

using Json = nlohmann::ordered_json;

Json render_case(const Json& test) {
  std::optional<jinja::Date> date;
  if (test.contains("date")) {
    date.emplace();
    std::sscanf(test["date"].get<std::string>().c_str(), "%d-%d-%d", &date->year, &date->month, &date->day);
  }
  std::vector<std::pair<std::string, jinja::Value>> variables;
  for (const auto& [name, value] : test.at("context").items())
    variables.emplace_back(name, jinja::Value::from_json(value, jinja::Origin::input));
  try {
    std::string text;
    for (const jinja::TextPiece& piece :
         jinja::Template(test.at("template").get<std::string>()).render(variables, date))
      text += piece.text;
    return {{"text", text}};
  } catch (const jinja::JinjaError& error) {
    return {{"line", error.line()}, {"error", error.reason()}, {"refused", error.refused()}};
  }
}

void dump_templates() {
  for (std::string line; std::getline(std::cin, line);)
    std::puts(render_case(Json::parse(line)).dump().c_str());
}

void dump(const TokenizerTables& tables, std::string_view mode) {
  const Tokenizer tokenizer(tables);
  std::unique_ptr<ChatTemplate> chat;
  if (mode == "digest") return void(std::puts(ChatTemplate(tables, tokenizer).digest().c_str()));
  if (mode == "prompt") chat = std::make_unique<ChatTemplate>(tables, tokenizer);
  const std::string texts(std::istreambuf_iterator<char>(std::cin), {});
  std::string out;
  const auto start = std::chrono::steady_clock::now();
  for (size_t begin = 0, end = 0; (end = texts.find('\0', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view text = std::string_view(texts).substr(begin, end - begin);
    out += chat ? spell(chat->encode_prompt(text)) + '\n' : line_of(tokenizer, mode, text);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "%.2f MB in %.2f s\n", static_cast<double>(texts.size()) / 1e6, took.count());
  std::fwrite(out.data(), 1, out.size(), stdout);
}

void dump_file(const std::string& path, std::string_view mode) {
  if (path.ends_with(".json")) {
    const TokenizerJson file(path);
    dump(file.tables(), mode);
  } else {
    const Gguf gguf(path);
    dump(tokenizer_tables(gguf), mode);
  }
}

}  // namespace
}  // namespace apportion

int main(int count, char** arguments) {
  try {
    if (count == 2 && std::string_view(arguments[1]) == "templates") {
      apportion::dump_templates();
      return 0;
    }
    if (count != 3) {
      throw apportion::UserError(
          "usage: tokenizer_dump MODEL.gguf|tokenizer.json parse|as_text|decode|prompt|digest < TEXTS, or "
          "tokenizer_dump templates < CASES");
    }
    apportion::dump_file(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_dump: %s\n", error.what());
    return 2;
  }
  return 0;
}
