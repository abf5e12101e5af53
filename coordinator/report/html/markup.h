// A small writer of our own for HTML and SVG. A figure is a few lines and circles whose positions a reader
// can check; it scales with the page, follows its dark colours, and says in words what it shows. A plotting
// program would be one more process to start, on a machine that may not have it, for pictures of
// fixed size with their own colours and no words.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apportion {

/// `text` made safe between tags and inside quotes: markup is escaped; bytes that are not UTF-8 and control
/// characters become U+FFFD.
std::string escaped(std::string_view text);

/// Opens and closes tags in order and escapes all texts and values.
class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<const char*, std::string>>;

  /// <tag ...>
  Markup& open(const char* tag, Attributes attributes = {});
  /// </tag> of the tag opened last.
  Markup& close();
  /// <tag ...>text</tag>
  Markup& element(const char* tag, Attributes attributes, std::string_view text);
  /// <tag .../>, an element without content.
  Markup& empty(const char* tag, Attributes attributes);
  Markup& text(std::string_view text);
  /// A text from outside, whose writing direction and control characters cannot affect what surrounds it.
  Markup& name(std::string_view text);
  /// Adds the text unescaped: for constants only.
  Markup& raw(std::string_view text);

  /// Everything written so far. Throws InternalError if a tag is still open.
  const std::string& finished() const;

 private:
  void start(const char* tag, Attributes attributes);

  std::string text_;
  std::vector<const char*> open_;
};

/// A coordinate with this many decimals.
std::string coordinate(double value, int decimals);
/// "43.200%"
std::string percent(double value);

}  // namespace apportion
