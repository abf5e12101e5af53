// What is wrong with a template, or with what it is asked to do, and on which line.
#pragma once

#include <string>

#include "shared/base/error.h"

namespace apportion::jinja {

/// "line LINE: MESSAGE". `refused`: the template itself raised it (raise_exception), and `reason` is what it
/// said.
class JinjaError : public UserError {
 public:
  JinjaError(int line, const std::string& message, bool refused = false)
      : UserError("line " + std::to_string(line) + ": " + message),
        line_(line),
        refused_(refused),
        reason_(message) {}
  int line() const { return line_; }
  bool refused() const { return refused_; }
  const std::string& reason() const { return reason_; }

 private:
  int line_;
  bool refused_;
  std::string reason_;
};

}  // namespace apportion::jinja
