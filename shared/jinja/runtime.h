// What every step of a rendering shares: where it is, what it may still use, and how it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/jinja/error.h"
#include "shared/jinja/value.h"

namespace apportion::jinja {

/// A date and time of day for strftime_now, which never asks the clock.
struct Date {
  int year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

/// What one rendering may use: far above what chat templates need, and little enough for an untrusted one to
/// end.
struct Limits {
  int64_t steps = 1'000'000;            // expressions, statements, elements and characters looked at singly
  int64_t bytes = int64_t{128} << 20U;  // of all texts made on the way, including the output
  int depth = 200;                      // nested evaluations: of expressions, statements and macros
};

class Runtime {
 public:
  Runtime(const Limits& limits, const std::optional<Date>& date) : left_(limits), date_(date) {}

  [[noreturn]] void fail(const std::string& message) const { throw JinjaError(line_, message); }
  void use_steps(size_t count);
  void use_bytes(size_t count);
  int line() const { return line_; }
  const std::optional<Date>& date() const { return date_; }

  /// Wraps the evaluation of a node: errors name its line, and evaluations nest only so deep.
  class Step {
   public:
    Step(Runtime& runtime, int line);
    ~Step();
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Runtime& runtime_;
    const int line_before_;
  };

 private:
  Limits left_;
  std::optional<Date> date_;
  int line_ = 1;
};

/// Writes a value as text, piece by piece: each piece counts, and the whole is a user's as soon as any part
/// of what it was made from is.
class CountedText {
 public:
  MarkedText take() const { return {out_, origin_}; }

 protected:
  explicit CountedText(Runtime& runtime) : runtime_(runtime) {}
  void add(std::string_view text) {
    runtime_.use_steps(1);
    runtime_.use_bytes(text.size());
    out_ += text;
  }
  void note_origin(const MarkedText& text) {
    if (text.origin() == Origin::input) origin_ = Origin::input;
  }

  Runtime& runtime_;

 private:
  std::string out_;
  Origin origin_ = Origin::template_text;
};

/// Make containers after checking what goes into them; need_plain is such a check.
Value make_sequence(Sequence::Kind kind, std::vector<Value> elements, Runtime& runtime);
Value make_mapping(const std::vector<std::pair<Value, Value>>& items, Runtime& runtime);
void need_plain(const Value& value, const Runtime& runtime);

/// What a for loop goes through: elements of a sequence, characters of a text, keys of a dict, nothing if
/// undefined. Fails for what Python cannot iterate over. Uses up a generator.
std::vector<Value> elements_of(const Value& value, Runtime& runtime);
/// len(value); fails when Python has none.
int64_t length_of(const Value& value, Runtime& runtime);
/// `value` as a text argument of `what`, or an error that says what it is instead.
const MarkedText& need_text(const Value& value, const std::string& what, const Runtime& runtime);
int64_t need_integer(const Value& value, const std::string& what, const Runtime& runtime);
/// The place of `index` among `size` elements, counting from the end as Python does if it is negative;
/// nothing outside.
std::optional<size_t> place_of(int64_t index, size_t size);

}  // namespace apportion::jinja
