// How text for people may look, depending on where it goes: Unicode or ASCII, with or without colour, and how
// wide; and the small pieces that depend on it (bars, sparks, paint).
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace apportion {

enum class Charset { unicode, ascii };
enum class Color { on, off };
enum class Paint { plain, dim, bold, cyan, green, yellow, red };

struct Style {
  Charset charset = Charset::unicode;
  Color color = Color::off;
  bool terminal = false;  // a terminal that understands escape sequences
};

/// For output that goes to `file`: Unicode in a UTF-8 locale, colour on a terminal unless NO_COLOR is set
/// (no-color.org) or TERM is dumb.
Style detect_style(std::FILE* file);

/// `text` in a colour, or unchanged when `style` has none.
std::string painted(const Style& style, Paint paint, std::string_view text);

/// A horizontal bar of `width` columns, of which `share` (0 to 1) is filled, in eighths of a column.
std::string bar(const Style& style, double share, int width);

/// One column per share: a bar of its height, or in ASCII its first decimal ('0' to '9').
std::string spark(const Style& style, const std::vector<double>& shares);

/// The columns that a text takes (shared/data/text_width.h), not counting escape sequences.
int columns_of(std::string_view text);

/// Text from a file made safe for a terminal: control characters replaced, cut to `width` columns (0: uncut).
std::string printable(const Style& style, std::string_view text, int width = 0);

/// `text` without colours, cut to `width` columns.
std::string without_paint(std::string_view text, int width);

/// Padded with blanks on the right, or on the left, to `width` columns.
std::string left(std::string_view text, int width);
std::string right(std::string_view text, int width);

}  // namespace apportion
