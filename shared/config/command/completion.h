// Completion of commands, options and their values in shells, from the tables of commands and keys.
#pragma once

#include <string>

namespace apportion {

/// The file that makes `shell` complete the program's words. Throws UserError for any shell but bash, zsh and
/// fish.
std::string format_completion(const std::string& shell);

}  // namespace apportion
