"""Understands just enough C++ to see a file's includes, its head comment and the length of each function. It is not a
parser: it blanks comments and literals, then follows braces. The limits are in rules.py."""

import re

INCLUDE = re.compile(r'^\s*#\s*include\s*(<([^>]+)>|"([^"]+)")', re.MULTILINE)
TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL)
CONTAINER = re.compile(r"\b(namespace|class|struct|union|enum|extern\s*\"\s*\")")
BODY_WORDS = re.compile(r"\b(const|override|final|noexcept|mutable|try)\s*$")


def includes(text):
    """[(line, name, is_quoted)] of every #include outside comments."""
    found = []
    shown = re.sub(r"//[^\n]*|/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.DOTALL)
    for match in INCLUDE.finditer(shown):
        line = shown.count("\n", 0, match.start(1)) + 1
        found.append((line, match.group(2) or match.group(3), match.group(3) is not None))
    return found


def blank(text):
    """The text with comments, literals and preprocessor lines blanked; line breaks stay where they were."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = TOKEN.sub(spaces, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", spaces, text, flags=re.MULTILINE)


def opens_body(head):
    """Whether the brace after `head` (the text since the last statement) opens a function's body."""
    if ")" not in head:
        return False
    tail = head[head.rindex(")") + 1:].strip()
    return not tail or bool(BODY_WORDS.search(tail)) or "->" in tail


def functions(text):
    """[(first line, name, number of lines)] of every function with a body; lambdas count towards their function."""
    code = blank(text)
    found, head, start, i = [], "", 0, 0
    while i < len(code):
        character = code[i]
        if character == "{":
            if CONTAINER.search(head) and not opens_body(re.sub(r"\b(alignas|requires)\b.*", "", head)):
                head, i = "", i + 1
                continue
            end = closing(code, i)
            if opens_body(head) and not re.search(r"=\s*$", head):
                first = code.count("\n", 0, start) + 1
                found.append((first, name_of(head), code.count("\n", start, end) + 1))
                head = ""
            else:
                head += "()" if ":" in head else ""
            i = end + 1
            continue
        if character in ";}":
            head = ""
        elif head or not character.isspace():
            if not head:
                start = i
            head += character
        i += 1
    return found


def closing(code, opening):
    """The index of the brace that closes the one at `opening` (the end of the text if none does)."""
    depth = 0
    for i in range(opening, len(code)):
        if code[i] == "{":
            depth += 1
        elif code[i] == "}":
            depth -= 1
            if depth == 0:
                return i
    return len(code) - 1


def name_of(head):
    match = re.search(r"([~\w:]+|operator\s*\S+)\s*\(", head)
    return match.group(1) if match else head.strip()[:40]
