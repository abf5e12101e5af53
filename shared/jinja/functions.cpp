#include "shared/jinja/functions.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

namespace apportion::jinja {
namespace {

/// As in the sandbox of transformers.
constexpr int64_t longest_range = 100'000;

Value make_range(const Arguments& arguments, Runtime& runtime) {
  const auto bounds = arguments.bind({"start", "stop", "step"}, 1, runtime);
  auto bound = [&](size_t i) { return need_integer(*bounds[i], "an argument of range", runtime); };
  int64_t start = 0, stop = bound(0), step = 1;
  if (bounds[1] != nullptr) {
    start = stop;
    stop = bound(1);
  }
  if (bounds[2] != nullptr) step = bound(2);
  if (step == 0) runtime.fail("range has steps of 0");
  std::vector<Value> numbers;
  for (int64_t number = start; step > 0 ? number < stop : number > stop;) {
    if (static_cast<int64_t>(numbers.size()) == longest_range)
      runtime.fail("range has more than " + std::to_string(longest_range) + " numbers");
    numbers.push_back(Value::integer(number));
    if (__builtin_add_overflow(number, step, &number)) break;
  }
  return make_sequence(Sequence::Kind::range, std::move(numbers), runtime);
}

Value make_namespace(const Arguments& arguments, Runtime& runtime) {
  if (!arguments.positional.empty())
    runtime.fail("namespace with an argument without a name is not supported");
  auto names = std::make_shared<Namespace>();
  for (const auto& [name, value] : arguments.named) {
    need_plain(value, runtime);
    if (name.starts_with('_'))
      runtime.fail("an attribute of a namespace must not begin with _, as " + name + " does");
    names->attributes.emplace_back(name, value);
  }
  return names;
}

/// The day of the week, 0 for Sunday (Sakamoto's method).
int weekday(const Date& date) {
  static constexpr std::array<int, 12> shifts = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
  const int year = date.month < 3 ? date.year - 1 : date.year;
  return (year + year / 4 - year / 100 + year / 400 + shifts[static_cast<size_t>(date.month - 1)] +
          date.day) %
         7;
}

std::string padded(int number, int digits) {
  char text[16];
  std::snprintf(text, sizeof(text), "%0*d", digits, number);
  return text;
}

std::string date_part(const Date& date, char directive, const Runtime& runtime) {
  static constexpr const char* months[] = {"January",   "February", "March",    "April",
                                           "May",       "June",     "July",     "August",
                                           "September", "October",  "November", "December"};
  static constexpr const char* days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday"};
  const std::string month = months[date.month - 1], day = days[weekday(date)];
  switch (directive) {
    case 'd':
      return padded(date.day, 2);
    case 'm':
      return padded(date.month, 2);
    case 'Y':
      return std::to_string(date.year);
    case 'y':
      return padded(date.year % 100, 2);
    case 'b':
      return month.substr(0, 3);
    case 'B':
      return month;
    case 'a':
      return day.substr(0, 3);
    case 'A':
      return day;
    case 'H':
      return padded(date.hour, 2);
    case 'M':
      return padded(date.minute, 2);
    case 'S':
      return padded(date.second, 2);
    case '%':
      return "%";
    default:
      runtime.fail(std::string("strftime_now's %") + directive + " is not supported");
  }
}

Value format_date(const Arguments& arguments, Runtime& runtime) {
  const auto bound = arguments.bind({"format"}, 1, runtime);
  const std::string format = need_text(*bound[0], "strftime_now's format", runtime).str();
  std::string text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      text += format[i];
    } else {
      text += date_part(*runtime.date(), format[++i], runtime);
    }
  }
  return Value::text(text);
}

}  // namespace

std::vector<const Value*> Arguments::bind(std::initializer_list<const char*> names, size_t required,
                                          const Runtime& runtime) const {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (positional.size() > names.size())
    runtime.fail(what + " has " + std::to_string(positional.size()) + " arguments; at most " +
                 std::to_string(names.size()) + " are expected");
  for (size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
  for (const auto& [name, value] : named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) runtime.fail(what + " has no argument " + name + " here");
    const Value*& place = bound[static_cast<size_t>(std::distance(names.begin(), found))];
    if (place != nullptr) runtime.fail(what + " has the argument " + name + " twice");
    place = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) runtime.fail(what + " needs the argument " + std::string(*(names.begin() + i)));
  }
  return bound;
}

bool is_function(const std::string& name, const Runtime& runtime) {
  if (name == "cycler" || name == "joiner" || name == "lipsum")
    runtime.fail("the function " + name + " is not supported");
  if (name == "strftime_now") return runtime.date().has_value();
  return name == "range" || name == "namespace" || name == "dict" || name == "raise_exception";
}

Value call_function(const std::string& name, const Arguments& arguments, Runtime& runtime) {
  if (name == "range") return make_range(arguments, runtime);
  if (name == "namespace") return make_namespace(arguments, runtime);
  if (name == "strftime_now") return format_date(arguments, runtime);
  if (name == "dict") {
    if (!arguments.positional.empty()) runtime.fail("dict with an argument without a name is not supported");
    std::vector<std::pair<Value, Value>> items;
    for (const auto& [key, value] : arguments.named) items.emplace_back(Value::text(key), value);
    return make_mapping(items, runtime);
  }
  ensure(name == "raise_exception", "a function of a template is one of those that it knows");
  const auto bound = arguments.bind({"message"}, 1, runtime);
  throw JinjaError(runtime.line(), text_of(*bound[0], runtime).str(), true);
}

}  // namespace apportion::jinja
