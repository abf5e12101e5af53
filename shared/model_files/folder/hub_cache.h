// The cache of the Hugging Face hub's own programs on this machine, where fetched models lie by name. Nothing
// is fetched here.
#pragma once

#include <string>

namespace apportion {

/// Whether a text has the form OWNER/NAME.
bool is_hub_name(const std::string& text);

/// The folder of the model OWNER/NAME: the snapshot that refs/main names, below the first of these that is
/// set: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub (huggingface_hub,
/// constants.py). Throws UserError that says where it looked and which command fetches the model.
std::string find_in_hub_cache(const std::string& name);

/// OWNER/NAME for a folder in that cache; empty for any other.
std::string hub_name_of_folder(const std::string& folder);

}  // namespace apportion
