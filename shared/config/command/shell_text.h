// Texts as a shell reads them.
#pragma once

#include <string>

namespace apportion {

/// In single quotes: one word of bash, zsh or sh, in which no other sign means anything.
std::string shell_quoted(const std::string& text);

}  // namespace apportion
