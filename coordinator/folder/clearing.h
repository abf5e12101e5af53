// `apportion gc`: lists what no job of a results folder names, and removes it if the user says so.
#pragma once

#include <string>

#include "coordinator/folder/garbage.h"

namespace apportion {

/// Prints the list and asks on the terminal unless `yes`; only lists if there is no terminal, or with `json`.
/// Throws UserError while a member works in the folder, and as find_garbage() does.
void clear_folder(const std::string& directory, const Forgotten& forgotten, bool yes, bool json);

/// For each sort the number, the size and the oldest few.
std::string render_garbage(const std::string& directory, const FolderGarbage& garbage);
std::string garbage_json(const FolderGarbage& garbage, bool removed);

}  // namespace apportion
