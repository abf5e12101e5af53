// Finds datasets, lists and model files by name: those that come with the program, and the user's own.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// The folder for `dataset = NAME | PATH`: a path that exists, otherwise a name below the folders of datasets
/// (base/data_places.h). Throws UserError that says where it looked and names the nearest.
std::string find_dataset(const std::string& name_or_path);

/// The file for a list of prompts or a text, `NAME | PATH`: a path that exists, otherwise NAME.txt below the
/// folder `common` of those datasets. Throws UserError that says where it looked.
std::string find_list(const std::string& name_or_path);

/// The file for `model = NAME | PATH`: a path that exists, otherwise NAME's file in the folders of models
/// (the first part of a split model). Throws UserError that says where it looked.
std::string find_model(const std::string& name_or_path);

}  // namespace apportion
