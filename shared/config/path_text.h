// Paths as users write them: a leading ~ and environment variables are filled in, as a shell does, which
// never sees a job file's lines.
#pragma once

#include <functional>
#include <string>

namespace apportion {

/// `text` with a leading "~" or "~/" as $HOME, and $NAME and ${NAME} as the environment has them. Throws
/// UserError "WHERE: ..." for a variable that is not set or empty, for ~USER, and for a '$' that begins no
/// name or comes out of a variable: no path that stays has one, so a filled-in path may be filled in again.
std::string fill_in_path(const std::string& text, const std::string& where,
                         const std::function<const char*(const char*)>& lookup);
/// From the process's own environment.
std::string fill_in_path(const std::string& text, const std::string& where);

}  // namespace apportion
