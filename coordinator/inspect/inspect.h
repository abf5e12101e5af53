// `apportion inspect MODEL`: what the program knows of a model before it does anything with it.
#pragma once

#include <string>

#include "shared/config/run_config.h"

namespace apportion {

/// The page for config.data.model: architecture, weights by the types that its files have, tokens, the
/// template rendered on an example, which digits and letters can steer, what would be trained, and what the
/// base takes in memory. Headers are read, no weights. Throws as open_model; what the tokens or the template
/// are refused for is said on the page.
std::string inspect_model(const RunConfig& config);

}  // namespace apportion
