#include "shared/jinja/template.h"

#include "shared/jinja/evaluator.h"
#include "shared/jinja/parser.h"

namespace apportion::jinja {

Template::Template(std::string_view source) : tree_(parse(source)) {}

std::vector<TextPiece> Template::render(const std::vector<std::pair<std::string, Value>>& variables,
                                        const std::optional<Date>& date, const Limits& limits) const {
  if (date)
    ensure(date->month >= 1 && date->month <= 12 && date->year >= 1, "a date has a month from 1 to 12");
  Runtime runtime(limits, date);
  return Evaluator(tree_, variables, runtime).run().pieces();
}

}  // namespace apportion::jinja
