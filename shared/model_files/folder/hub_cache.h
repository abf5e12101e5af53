// The cache of the Hugging Face hub's own programs on this machine: models that were fetched lie there by
// name. Nothing is fetched here.
#pragma once

#include <string>

namespace apportion {

/// Whether a text has the form OWNER/NAME.
bool is_hub_name(const std::string& text);

/// The folder of the model OWNER/NAME: the snapshot that refs/main names, below HF_HUB_CACHE,
/// HUGGINGFACE_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub, the first of them that is set
/// (huggingface_hub, constants.py). Throws UserError that says where it looked and which command fetches it.
std::string find_in_hub_cache(const std::string& name);

/// OWNER/NAME of a folder in that cache; empty for any other.
std::string hub_name_of_folder(const std::string& folder);

}  // namespace apportion
