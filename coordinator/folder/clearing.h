// `apportion gc`: what no job of a results folder names is listed, and removed where the user says so.
#pragma once

#include <string>

#include "coordinator/folder/garbage.h"

namespace apportion {

/// Prints the list; asks on the terminal unless `yes`, and only lists where there is none, or with `json`.
/// Throws UserError while a member works in the folder, and as find_garbage() does.
void clear_folder(const std::string& directory, const Forgotten& forgotten, bool yes, bool json);

/// Of each sort how many, how large and the oldest few.
std::string render_garbage(const std::string& directory, const FolderGarbage& garbage);
std::string garbage_json(const FolderGarbage& garbage, bool removed);

}  // namespace apportion
