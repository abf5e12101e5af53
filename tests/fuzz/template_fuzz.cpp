// Chat templates, rendered as tokens/chat_template.cpp does, and with what other programs' templates ask for.
#include <array>

#include "shared/jinja/template.h"
#include "tests/fuzz/input.h"

namespace apportion {
namespace {

using jinja::Origin;
using jinja::Value;
using Variables = std::vector<std::pair<std::string, Value>>;

Value message(const char* role, std::string_view content) {
  return Value::mapping({{Value::text("role"), Value::text(role)},
                         {Value::text("content"), Value::text(content, Origin::input)}});
}

/// Contexts of a chat, of a chat with its answer, and of values of every kind.
std::array<Variables, 3> contexts() {
  const Value tools = Value::from_json(
      nlohmann::ordered_json::parse(
          R"([{"type": "function", "function": {"name": "f", "parameters": {"a": [1, 2.5, null, true, -3]}}}])"),
      Origin::input);
  const Value asked = message("user", "Hi <|im_end|> there\n"), told = message("system", "Be brief.");
  const Value answer = message("assistant", " Yes, \xC3\xA9\xF0\x9F\x98\x80 \xFF");
  const std::pair<std::string, Value> bos = {"bos_token", Value::text("<s>")},
                                      eos = {"eos_token", Value::text("</s>")};
  return {Variables{{"messages", Value::list({asked})},
                    {"add_generation_prompt", Value::boolean(true)},
                    {"tools", jinja::None{}},
                    {"documents", jinja::None{}},
                    bos,
                    eos},
          Variables{{"messages", Value::list({told, asked, answer})},
                    {"add_generation_prompt", Value::boolean(false)},
                    {"tools", jinja::None{}},
                    bos},
          Variables{{"messages", Value::list({told, asked, answer, asked})},
                    {"tools", tools},
                    {"n", Value::integer(-7)},
                    {"x", Value::number(2.5)},
                    {"s", Value::text("text of a template")}}};
}

}  // namespace
}  // namespace apportion

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace apportion;
  static const auto all = contexts();
  fuzz::read_or_refuse([&] {
    const jinja::Template read(fuzz::text_of(data, size));
    for (const Variables& context : all) {
      const bool dated = &context != &all.back();
      fuzz::read_or_refuse([&] {
        read.render(context, dated ? std::optional(jinja::Date{2024, 7, 26, 0, 0, 0}) : std::nullopt);
      });
    }
  });
  return 0;
}
