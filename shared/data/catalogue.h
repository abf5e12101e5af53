// Finds datasets and model files by name: the six datasets that come with the program, and embedded models.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// The folder of `dataset = NAME | PATH`: a path that exists, else a name below the jobs/datasets folder of
/// the source tree or of the installation. Throws UserError that says where it looked and names the nearest.
std::string find_dataset(const std::string& name_or_path);

/// A file of the datasets' folder `common`, where the program's own lists lie. Throws UserError that says
/// where it looked.
std::string find_common_file(const std::string& file);

/// The file of `model = NAME | PATH`: a path that exists, else NAME's file in the build's own folder, then in
/// the user's cache ($XDG_CACHE_HOME/apportion or ~/.cache/apportion). UserError says where it looked.
std::string find_model(const std::string& name_or_path);

}  // namespace apportion
