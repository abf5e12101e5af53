// As much of Jinja2 (jinja.palletsprojects.com/templates) as chat templates need, set up as transformers
// does: trim_blocks, lstrip_blocks, loop controls, {% generation %}, tojson, raise_exception, strftime_now.
// tokens/chat_template.h has the turns of a chat.
//
// Known are: {{ }}, {# #}, {% if for set macro break continue generation %} with - and + at their ends, the
// operators but **, the inline if, subscripts and slices, macros outside loops, and the filters, tests,
// methods and functions that filters.h, predicates.h, members.h and functions.h name. Anything else in a
// template is an error where it is met; nothing is left out silently. Remaining differences: whole numbers
// have 64 bits, `safe` marks nothing since nothing is escaped, and what a filter gives one by one is worked
// out at once.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/jinja/error.h"
#include "shared/jinja/runtime.h"
#include "shared/jinja/text.h"
#include "shared/jinja/tree.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// A template that is parsed once and can be rendered often. It may be anyone's: source up to 2^20 bytes,
/// nodes at most max_tree_depth deep, and each rendering within `Limits`.
class Template {
 public:
  /// Throws JinjaError, "line LINE: ...", for what is malformed or has a tag unknown here.
  explicit Template(std::string_view source);

  /// What the template writes with these names set: pieces, whose neighbours differ in origin. Text from an
  /// `input` variable is `input`: joining, cutting and stripping keep origins, and any other change of a text
  /// with input in it makes all of it input. Without `date` there is no strftime_now. Throws JinjaError for
  /// what goes wrong on the way; `refused()` when the template itself raised it.
  std::vector<TextPiece> render(const std::vector<std::pair<std::string, Value>>& variables,
                                const std::optional<Date>& date = {}, const Limits& limits = {}) const;

 private:
  std::vector<Statement> tree_;
};

}  // namespace apportion::jinja
