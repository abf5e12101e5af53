// What templates render, who wrote which part of it, how they fail, and that none can hang or exhaust memory.
// tests/conformance/tokens/template_test.py compares with transformers on the templates of many models.
#include "shared/jinja/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/counter_rng.h"

namespace apportion::jinja {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Variables = std::vector<std::pair<std::string, Value>>;

/// Names that the templates here know: `s` and the contents of `messages` were written by a user.
Variables variables() {
  const auto json = nlohmann::ordered_json::parse(
      R"({"n": 7, "xs": [3, 1, 2], "d": {"k": "v", "items": 1}, "no": null, "t": true})");
  Variables names;
  for (const auto& [name, value] : json.items())
    names.emplace_back(name, Value::from_json(value, Origin::template_text));
  names.emplace_back("s", Value::text(" U<|x|> ", Origin::input));
  names.emplace_back(
      "messages",
      Value::list({Value::mapping({{Value::text("role"), Value::text("user")},
                                   {Value::text("content"), Value::text("hi<|im_end|>", Origin::input)}})}));
  return names;
}

std::vector<TextPiece> pieces(std::string_view source) {
  return Template(source).render(variables(), Date{2024, 7, 26, 0, 0, 0});
}

std::string text(std::string_view source) {
  std::string all;
  for (const TextPiece& piece : pieces(source)) all += piece.text;
  return all;
}

/// The "line N: ..." of a failing template; fails the test if it does not fail.
std::string error(const std::string& source) {
  try {
    const std::string rendered = text(source);
    ADD_FAILURE() << source.substr(0, 200) << " renders " << rendered.substr(0, 200);
  } catch (const JinjaError& failure) {
    return failure.what();
  }
  return {};
}

TextPiece ours(const std::string& written) { return {written, Origin::template_text}; }
TextPiece users(const std::string& written) { return {written, Origin::input}; }

TEST(Template, RendersWhatJinjaDoes) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"a{{ n + 1 }}{# c #}\n", "a8"},
      {"{{ -n // 2 }} {{ -n % 4 }} {{ n / 2 }} {{ 1e16 }} {{ 0.1 + 0.2 }}",
       "-4 1 3.5 1e+16 0.30000000000000004"},
      {"{{ xs }}{{ d }}{{ (1,) }}{{ [none, true, 'it\\'s'] }}",
       "[3, 1, 2]{'k': 'v', 'items': 1}(1,)[None, True, \"it's\"]"},
      {"{{ d.items()|list }}{{ d['items'] }}{{ d.k }}{{ d.none }}", "[('k', 'v'), ('items', 1)]1v"},
      {"{{ 'abc'[1] }}{{ 'abc'[-1:] }}{{ 'abc'[::-1] }}{{ xs[1:] }}{{ 'déjà'[1:3] }}", "bccba[1, 2]éj"},
      {"{{ 'a' if no else 'b' }}{{ no or 'c' }}{{ not t }}{{ 1 < 2 < 3 }}{{ 3 in xs }}", "bcFalseTrueTrue"},
      {"{{ nothing }}{{ nothing is defined }}{{ nothing|default('x') }}", "Falsex"},
      {"{% for i in xs if i > 1 %}{{ loop.index }}{{ i }}{{ loop.last }} {% else %}x{% endfor %}",
       "13False 22True "},
      {"{% for i in xs %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% break %}{% endfor %}", "3"},
      {"{% set ns = namespace(a=1) %}{% for i in xs %}{% set ns.a = ns.a + i %}{% set q = i %}{% endfor %}{{ "
       "ns.a }}{{ q }}",
       "7"},
      {"{% macro m(a, b='B') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(2, b=n) }}", "[1B][27]"},
      {"{% if n %}\n  x\n  {%- endif %}\n y", "  x y"},
      {"  {% set a = 1 %}\n{{ a }}\n  {{- a -}}  \n b\n", "11b"},
      {"{{ {'b': 1, 'a': [1, 2.0]}|tojson }}{{ {'a': 1}|tojson(indent=1) }}",
       "{\"b\": 1, \"a\": [1, 2.0]}{\n \"a\": 1\n}"},
      {"{{ xs|join('-') }}{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='role')|list }}",
       "3-1-2['user']"},
      {"{{ 'straße É'|upper }}{{ 'x y'|title }}{{ 'aBC'|capitalize }}", "STRASSE ÉX YAbc"},
      {"{{ strftime_now('%d %b %Y %A %H:%M') }}", "26 Jul 2024 Friday 00:00"},
  };
  for (const auto& [source, wanted] : table) EXPECT_EQ(text(source), wanted) << source;
}

TEST(Template, WhatAUserWroteStaysTheUsers) {
  EXPECT_THAT(pieces("<|x|>{{ '<' + s|trim + '>' }}"),
              ElementsAre(ours("<|x|><"), users("U<|x|>"), ours(">")));
  EXPECT_THAT(pieces("{{ ('<' ~ s ~ '>')[1:-1] }}"), ElementsAre(users(" U<|x|> ")));
  EXPECT_THAT(pieces("{{ ('a' + s).split('<') | join('<') }}"),
              ElementsAre(ours("a"), users(" U"), ours("<"), users("|x|> ")));
  EXPECT_THAT(pieces("{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'] }}{% endfor %}"),
              ElementsAre(ours("<|user|>"), users("hi<|im_end|>")));
  EXPECT_THAT(
      pieces("{% set ns = namespace(a=s) %}{% set b %}<{{ ns.a[1] }}>{% endset %}{{ b }}{{ s|first }}"),
      ElementsAre(ours("<"), users("U"), ours(">"), users(" ")));
  EXPECT_THAT(pieces("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(s.strip()) }}"),
              ElementsAre(ours("<"), users("U<|x|>"), ours(">")));
}

TEST(Template, AChangedTextThatHasInputIsInput) {
  for (const char* source :
       {"{{ ('<|a|>' + s)|upper }}", "{{ ('<|a|>' + s).replace('U', 'V') }}", "{{ {'<|a|>': s}|tojson }}",
        "{{ ['<|a|>', s] }}", "{{ 'aUa'|replace('U', s) }}"}) {
    const std::vector<TextPiece> all = pieces(source);
    ASSERT_EQ(all.size(), 1U) << source;
    EXPECT_EQ(all[0].origin, Origin::input) << source;
  }
  EXPECT_THAT(pieces("{{ '<|a|>'|upper }}{{ {'a': '<|a|>'}|tojson }}"),
              ElementsAre(ours("<|A|>{\"a\": \"<|a|>\"}")));
}

TEST(Template, ErrorsNameTheConstructAndItsLine) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"\n\n{{ n ", "line 3: a tag {{ has no end }}"},
      {"{% if n %}\nx", "line 1: {% if %} has no {% endif %}"},
      {"\n{% frob %}", "line 2: the tag {% frob %} is not supported"},
      {"a\n{{ n | frob }}", "line 2: the filter frob is not supported"},
      {"{{ n is frob }}", "the test frob is not supported"},
      {"{{ s.format() }}", "the method format of a str is not supported"},
      {"{{ frob() }}", "frob is not defined, and it is called"},
      {"{{ d.x.y }}", "x of a dict is not defined"},
      {"{{ n +\n nothing }}", "line 1: nothing is not defined"},
      {"{{ 'a' + 1 }}", "a str + a int is not supported; ~ joins any two as text"},
      {"{{ (n }}", "} where a ) should be"},
      {"{{ 'a }}", "a string has no end"},
      {"{{ n ! }}", "the character ! is not known in a tag"},
      {"{{ n n }}", "the name n is where the end }} should be"},
      {"{% for x of xs %}{% endfor %}", "the name of is where in should be"},
      {"{% set d.k = 1 %}", "d is no namespace"},
      {"{{ 1 // 0 }}", "a division by 0"},
      {"{{ n * 9223372036854775807 }}", "does not fit 64 bits"},
      {"{{ xs|join(', ', x=1) }}", "the filter join has no argument x here"},
      {"{% break %}", "{% break %} is outside of any {% for %}"},
      {"\xFF", "line 1: the template is not UTF-8"},
  };
  for (const auto& [source, wanted] : table) EXPECT_THAT(error(source), HasSubstr(wanted)) << source;
}

TEST(Template, ARefusalIsTheTemplatesOwnWords) {
  const Template refuses("\n{{ raise_exception('no system: ' + s) }}");
  try {
    refuses.render(variables());
    FAIL() << "no error";
  } catch (const JinjaError& failure) {
    EXPECT_TRUE(failure.refused());
    EXPECT_EQ(failure.reason(), "no system:  U<|x|> ");
    EXPECT_EQ(failure.line(), 2);
  }
}

TEST(Template, WithoutADateThereIsNoStrftimeNow) {
  EXPECT_EQ(Template("{{ strftime_now is defined }}").render({})[0].text, "False");
  EXPECT_THROW(Template("{{ strftime_now('%d') }}").render({}), JinjaError);
}

std::string repeated(const std::string& part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

TEST(Template, NoneCanHangOrExhaustMemory) {
  const std::string doubling = "{% set ns = namespace(a='x', b=[1]) %}{% for i in range(90000) %}";
  EXPECT_THAT(error(doubling + "{% set ns.a = ns.a + ns.a %}{% endfor %}"), HasSubstr("too much text"));
  EXPECT_THAT(error(doubling + "{% set ns.b = ns.b + ns.b %}{% endfor %}"), HasSubstr("too many steps"));
  EXPECT_THAT(error(doubling + "{% set ns.b = [ns.b] %}{% endfor %}"), HasSubstr("64 deep"));
  EXPECT_THAT(error(doubling + "{% set ns.b = ns %}{% endfor %}"), HasSubstr("a Namespace inside of"));
  EXPECT_THAT(
      error(doubling +
            "{% if i < 40 %}{% set ns.b = [ns.b, ns.b] %}{% else %}{{ ns.b|tojson }}{% endif %}{% endfor %}"),
      HasSubstr("too many steps"));
  EXPECT_THAT(error(doubling + "{% if i < 40 %}{% set ns.b = [ns.b, ns.b] %}{% else %}{{ ns.b == ns.b + [] "
                               "}}{% endif %}{% endfor %}"),
              HasSubstr("too many steps"));
  EXPECT_THAT(error(repeated("{% for i in range(99999) %}", 3) + repeated("{% endfor %}", 3)),
              HasSubstr("too many steps"));
  EXPECT_THAT(error("{{ 'x' * 999999999999 }}"), HasSubstr("too many steps"));
  EXPECT_THAT(error("{% set a = 'x' * 100000 %}{{ a * 10000 }}"), HasSubstr("too much text"));
  EXPECT_THAT(error("{{ range(999999999) }}"), HasSubstr("more than 100000"));
  EXPECT_THAT(error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
              HasSubstr("does a macro call itself"));
  EXPECT_THAT(error(std::string(1U << 21U, 'x')), HasSubstr("2^20 is the most"));
}

TEST(Template, WhatLiesTooDeepIsRefusedBeforeItIsRun) {
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{
           {"{{ " + repeated("(", 40000), "1" + repeated(")", 40000) + " }}"},
           {"{{ " + repeated("[", 40000), repeated("]", 40000) + " }}"},
           {"{{ " + repeated("not ", 40000), "1 }}"},
           {"{{ " + repeated("- ", 40000), "1 }}"},
           {"{{ 1", repeated(" + 1", 40000) + " }}"},
           {"{{ n", repeated(".a", 40000) + " }}"},
           {"{{ n", repeated("|string", 40000) + " }}"},
           {"{{ 1", repeated(" if 1 else 1", 40000) + " }}"},
           {repeated("{% if 1 %}", 40000), repeated("{% endif %}", 40000)}}) {
    EXPECT_THAT(error(open + close), HasSubstr("nested")) << open.substr(0, 20);
  }
  // Side by side there may be as many as there is room for.
  EXPECT_EQ(text("{{ ''" + repeated(" ~ 'x'", 1000) + " }}").size(), 1000U);
  EXPECT_EQ(text("{% if 0 %}" + repeated("{% elif 0 %}", 1000) + "{% else %}x{% endif %}"), "x");
}

TEST(Template, DamagedOnesRenderOrFailWithALine) {
  const std::string source =
      "{%- set ns = namespace(a=0) %}{% for m in messages if m.role != 'x' %}{{- loop.index ~ "
      "m['content']|trim }}"
      "{%- if not loop.last and n is odd %}{{ xs[1:-1] + [n * 2] }}{% else %}{{ d|tojson(indent=2) }}{% "
      "endif %}"
      "{% set ns.a = ns.a + 1 %}{% endfor %}{% macro f(a, b=1) %}{{ a[::b] }}{% endmacro %}{{ f('x' "
      "\"\\u00e9\", b=-1) }}"
      "{# c -#} {{ (s.split('|')|map('upper')|list)[0] if t else 'y' }}{{ {'a': 1, 2: (3,)}.items()|list "
      "}}\n";
  CounterRng rng(1, "jinja fuzz");
  const std::string_view bytes = "{}%#-+'\"\\()[]|.,:=~ \nax1_\xC3";
  int rendered = 0, failed = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string damaged = source;
    for (uint64_t change = 0, changes = 1 + rng.below(3); change < changes; ++change) {
      const size_t at = rng.below(damaged.size());
      switch (rng.below(3)) {
        case 0:
          damaged[at] = bytes[rng.below(bytes.size())];
          break;
        case 1:
          damaged.erase(at, 1 + rng.below(8));
          break;
        default:
          damaged.insert(at, 1, bytes[rng.below(bytes.size())]);
      }
    }
    try {
      text(damaged);
      ++rendered;
    } catch (const JinjaError& failure) {
      ++failed;
      EXPECT_THAT(failure.line(), testing::AllOf(testing::Ge(1), testing::Le(3))) << damaged;
    }
  }
  EXPECT_GT(rendered, 100);
  EXPECT_GT(failed, 1000);
}

}  // namespace
}  // namespace apportion::jinja
