// HTML and SVG as text, by a small writer of our own: a figure is a few lines and circles whose places a
// reader can check, scales with the page, follows its colours in the dark, and says in words what it shows.
// A plotting program would be one more process to start on a machine that may not have it, for
// pictures of a fixed size, with colours of their own and no words.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apportion {

/// `text` as it may stand between tags and inside quotes: what is markup is escaped, bytes that are no UTF-8
/// and control characters are U+FFFD.
std::string escaped(std::string_view text);

/// Tags that are opened and closed in order. All texts and values are escaped.
class Markup {
 public:
  using Attributes = std::initializer_list<std::pair<const char*, std::string>>;

  /// <tag ...>
  Markup& open(const char* tag, Attributes attributes = {});
  /// </tag> of the one that was opened last.
  Markup& close();
  /// <tag ...>text</tag>
  Markup& element(const char* tag, Attributes attributes, std::string_view text);
  /// <tag .../>, which holds nothing.
  Markup& empty(const char* tag, Attributes attributes);
  Markup& text(std::string_view text);
  /// A text of somebody else's, whose direction and controls change nothing around it.
  Markup& name(std::string_view text);
  /// As it is: of constant texts alone.
  Markup& raw(std::string_view text);

  /// All that was written; every tag must be closed (else InternalError).
  const std::string& finished() const;

 private:
  void start(const char* tag, Attributes attributes);

  std::string text_;
  std::vector<const char*> open_;
};

/// With so many decimals, as a coordinate.
std::string coordinate(double value, int decimals);
/// "43.200%"
std::string percent(double value);

}  // namespace apportion
