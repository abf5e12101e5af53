// Which metadata keys of a GGUF file may say what: those that change what a model computes and are not
// computed here are refused, also keys that nobody knows yet. What the others say is read elsewhere.
#pragma once

#include <map>
#include <string>

#include "shared/model_files/gguf_file.h"

namespace apportion {

/// Throws DataError that names the key: of such a model any key of the architecture that is not known here,
/// or whose value is another than the one that changes nothing; of any file, one of another kind than a
/// model, and an old way of packing.
void check_keys(const std::string& path, const std::map<std::string, GgufEntry>& metadata);

}  // namespace apportion
