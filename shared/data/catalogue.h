// Finds datasets and model files by name: the six datasets that come with the program, and embedded models.
#pragma once

#include <string>
#include <vector>

namespace apportion {

/// The folder of `dataset = NAME | PATH`: a path that exists, else a name below the folders of datasets
/// (base/data_places.h). Throws UserError that says where it looked and names the nearest.
std::string find_dataset(const std::string& name_or_path);

/// The file of a list of prompts or a text, `NAME | PATH`: a path that exists, else NAME.txt below the folder
/// common of those datasets. Throws UserError that says where it looked.
std::string find_list(const std::string& name_or_path);

/// The file of `model = NAME | PATH`: a path that exists, else NAME's file in the folders of models, of a
/// split model the first part. UserError says where it looked.
std::string find_model(const std::string& name_or_path);

}  // namespace apportion
