#include "shared/config/path_text.h"

#include <cctype>
#include <cstdlib>

#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// Fills in one text; errors begin with `where_`.
class PathText {
 public:
  PathText(const std::string& text, const std::string& where,
           const std::function<const char*(const char*)>& lookup)
      : text_(text), where_(where), lookup_(lookup) {}

  std::string filled() {
    std::string path;
    if (text_.starts_with("~")) {
      if (text_.size() > 1 && text_[1] != '/') fail("only your own '~' is filled in; write out the path");
      path = value_of("HOME");
      at_ = 1;
    }
    while (at_ < text_.size()) {
      if (text_[at_] == '$') {
        path += value_of(next_name());
      } else {
        path += text_[at_++];
      }
    }
    return path;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw UserError(where_ + ": " + what); }

  /// The name after the '$' at `at_`; moves past it.
  std::string next_name() {
    const bool braces = text_.compare(at_ + 1, 1, "{") == 0;
    const size_t begin = at_ + (braces ? 2 : 1);
    size_t end = begin;
    while (end < text_.size() && is_name_character(text_[end])) ++end;
    const bool closed = !braces || text_.compare(end, 1, "}") == 0;
    if (end == begin || !closed || std::isdigit(static_cast<unsigned char>(text_[begin])))
      fail("a '$' in a path begins a variable, $NAME or ${NAME}");
    at_ = end + (braces ? 1 : 0);
    return text_.substr(begin, end - begin);
  }

  std::string value_of(const std::string& name) const {
    const char* value = lookup_(name.c_str());
    if (value == nullptr || *value == '\0')
      fail("the environment has no " + name + "; set it, or write the path");
    const std::string found = value;
    if (found.find('$') != std::string::npos) fail(name + " has a '$' in its value: " + printable(found));
    return found;
  }

  const std::string& text_;
  const std::string& where_;
  const std::function<const char*(const char*)>& lookup_;
  size_t at_ = 0;
};

}  // namespace

std::string fill_in_path(const std::string& text, const std::string& where,
                         const std::function<const char*(const char*)>& lookup) {
  return PathText(text, where, lookup).filled();
}

std::string fill_in_path(const std::string& text, const std::string& where) {
  return fill_in_path(text, where, [](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace apportion
