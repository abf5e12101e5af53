// Which metadata keys of a GGUF file may say what: refuses keys that change what a model computes and are not
// computed here, including keys that nobody knows yet. What the others say is read elsewhere.
#pragma once

#include <map>
#include <string>

#include "shared/model_files/gguf_file.h"

namespace apportion {

/// Throws DataError that names the key: in a model computed here, for any key of its architecture that is
/// unknown or whose value changes something; in any file, for a kind other than a model, and for an old way
/// of packing.
void check_keys(const std::string& path, const std::map<std::string, GgufEntry>& metadata);

}  // namespace apportion
