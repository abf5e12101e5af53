// `apportion pack`: a results folder as one self-contained HDF5 file, to read elsewhere. docs/store.md
// describes its layout.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "coordinator/status.h"

namespace apportion {

/// Writes the index's cells and the content of the result file of each finished task that a job names; with
/// `adapters` also what was trained, as bytes. An existing file is replaced, by renaming. Returns the number
/// of results. Throws UserError for a folder without results, a damaged or missing result, or a file inside
/// the folder. Calls `told` for each result, when it is checked and when it is copied.
size_t pack_folder(
    const std::string& directory, const std::string& file, bool adapters,
    const DoneTold& told = [](size_t, size_t) {});

/// A line for everything in a pack that has changed since it was packed; `seen` gets the number of results.
/// Calls `told` for each result and for each trained adapter or model.
std::vector<std::string> verify_pack(
    const std::string& file, size_t& seen, const DoneTold& told = [](size_t, size_t) {});

}  // namespace apportion
