// Texts as a shell reads them.
#pragma once

#include <string>

namespace apportion {

/// In single quotes: one word for bash, zsh or sh, in which no character is special.
std::string shell_quoted(const std::string& text);

}  // namespace apportion
