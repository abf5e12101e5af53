// `apportion inspect MODEL`: what the program knows about a model before it does anything with it.
#pragma once

#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// The page for config.data.model: architecture, weights by the types in its files, tokens, the template
/// rendered on an example, which digits and letters can steer, what would be trained, and what the base takes
/// in memory. Reads headers but no weights. Throws as open_model; if the tokens or the template are refused,
/// the page says why.
std::string inspect_model(const RunConfig& config);

}  // namespace apportion
