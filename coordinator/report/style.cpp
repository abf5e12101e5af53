#include "coordinator/report/style.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "coordinator/report/plain_text.h"
#include "shared/data/text_width.h"

namespace apportion {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// POSIX: the first of the three that is not empty decides.
std::string locale_name() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (std::string value = variable(name); !value.empty()) return value;
  }
  return "C";
}

bool is_utf8(std::string locale) {
  std::transform(locale.begin(), locale.end(), locale.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// Length of the escape sequence ESC [ ... letter at the beginning of `text`, 0 when there is none.
size_t escape_length(std::string_view text) {
  if (text.size() < 2 || text[0] != '\x1b' || text[1] != '[') return 0;
  size_t end = 2;
  while (end < text.size() && !std::isalpha(static_cast<unsigned char>(text[end]))) ++end;
  return std::min(end + 1, text.size());
}

}  // namespace

Style detect_style(std::FILE* file) {
  Style style;
  const std::string terminal = variable("TERM");
  style.terminal = ::isatty(::fileno(file)) == 1 && !terminal.empty() && terminal != "dumb";
  style.charset = is_utf8(locale_name()) ? Charset::unicode : Charset::ascii;
  style.color = style.terminal && variable("NO_COLOR").empty() ? Color::on : Color::off;
  return style;
}

std::string painted(const Style& style, Paint paint, std::string_view text) {
  if (style.color == Color::off || paint == Paint::plain) return std::string(text);
  const char* code = "";
  switch (paint) {
    case Paint::plain:
      break;
    case Paint::dim:
      code = "2";
      break;
    case Paint::bold:
      code = "1";
      break;
    case Paint::cyan:
      code = "36";
      break;
    case Paint::green:
      code = "32";
      break;
    case Paint::yellow:
      code = "33";
      break;
    case Paint::red:
      code = "31";
      break;
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string bar(const Style& style, double share, int width) {
  static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  double filled = std::clamp(std::isnan(share) ? 0.0 : share, 0.0, 1.0) * width;
  std::string text;
  if (style.charset == Charset::ascii) {
    int whole = static_cast<int>(std::lround(filled));
    return std::string(static_cast<size_t>(whole), '#') +
           std::string(static_cast<size_t>(width - whole), '.');
  }
  int parts = static_cast<int>(std::lround(filled * 8));
  for (int i = 0; i < parts / 8; ++i) text += "█";
  text += eighths[parts % 8];
  return left(text, width);
}

std::string spark(const Style& style, const std::vector<double>& shares) {
  static constexpr const char* heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string text;
  for (double share : shares) {
    double clamped = std::clamp(std::isnan(share) ? 0.0 : share, 0.0, 1.0);
    if (style.charset == Charset::ascii) {
      text += static_cast<char>('0' + std::min(9, static_cast<int>(clamped * 10)));
    } else {
      // The square root keeps the small shares of many categories apart.
      text += heights[std::min(7, static_cast<int>(std::sqrt(clamped) * 8))];
    }
  }
  return text;
}

int columns_of(std::string_view text) {
  int columns = 0;
  for (size_t i = 0; i < text.size();) {
    if (size_t length = escape_length(text.substr(i))) {
      i += length;
      continue;
    }
    const SeenCharacter character = first_character(text.substr(i, text.find('\x1b', i + 1) - i));
    columns += character.columns;
    i += character.bytes;
  }
  return columns;
}

std::string printable(const Style& style, std::string_view text, int width) {
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    if (const size_t bytes = direction_mark(text.substr(i)); bytes > 0) {
      shown += '?';
      i += bytes - 1;
      continue;
    }
    unsigned char byte = static_cast<unsigned char>(text[i]);
    // C1 controls are U+0080 to U+009F: C2 80 to C2 9F.
    bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    bool control = byte < 0x20 || byte == 0x7F || c1;
    bool foreign = style.charset == Charset::ascii && byte >= 0x80;
    if (foreign && !starts_code_point(text[i])) continue;
    shown += control || foreign ? '?' : text[i];
    i += c1 && style.charset == Charset::unicode;
  }
  if (width <= 0 || columns_of(shown) <= width) return shown;
  const char* mark = style.charset == Charset::unicode ? "…" : ".";
  size_t end = 0;
  for (int columns = 1; end < shown.size();) {  // the mark's
    const SeenCharacter character = first_character(std::string_view(shown).substr(end));
    columns += character.columns;
    if (columns > width) break;
    end += character.bytes;
  }
  return shown.substr(0, end) + mark;
}

std::string without_paint(std::string_view text, int width) {
  std::string plain;
  int columns = 0;
  for (size_t i = 0; i < text.size();) {
    if (size_t length = escape_length(text.substr(i))) {
      i += length;
      continue;
    }
    const SeenCharacter character = first_character(text.substr(i, text.find('\x1b', i + 1) - i));
    columns += character.columns;
    if (columns > width) break;
    plain += text.substr(i, character.bytes);
    i += character.bytes;
  }
  return plain;
}

std::string left(std::string_view text, int width) {
  int blanks = std::max(0, width - columns_of(text));
  return std::string(text) + std::string(static_cast<size_t>(blanks), ' ');
}

std::string right(std::string_view text, int width) {
  int blanks = std::max(0, width - columns_of(text));
  return std::string(static_cast<size_t>(blanks), ' ') + std::string(text);
}

}  // namespace apportion
