// Paths as users write them: fills in a leading ~ and environment variables as a shell would, since no shell
// sees a job file's lines.
#pragma once

#include <functional>
#include <string>

namespace apportion {

/// `text` with $HOME for a leading "~" or "~/", and the environment's values for $NAME and ${NAME}. Throws
/// UserError "WHERE: ..." for a variable that is unset or empty, for ~USER, and for a '$' that begins no name
/// or comes out of a variable. Results hold no '$', so a filled-in path may be filled in again.
std::string fill_in_path(const std::string& text, const std::string& where,
                         const std::function<const char*(const char*)>& lookup);
/// From the process's own environment.
std::string fill_in_path(const std::string& text, const std::string& where);

}  // namespace apportion
