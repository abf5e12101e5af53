#include "shared/config/command/shell_text.h"

namespace apportion {

std::string shell_quoted(const std::string& text) {
  std::string word = "'";
  for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace apportion
