// `apportion pack`: a results folder as one HDF5 file that needs no other, for reading elsewhere. Its layout
// is docs/store.md's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "coordinator/status.h"

namespace apportion {

/// Writes the index's cells, and of each finished task that a job names its result file's content; with
/// `adapters` also what was trained, as bytes. What a pack of the same content was is replaced, by renaming.
/// Returns how many results. Throws UserError for a folder without results, a damaged or missing result, or a
/// file that lies in the folder. `told` hears of each result, when it is checked and when it is copied.
size_t pack_folder(
    const std::string& directory, const std::string& file, bool adapters,
    const DoneTold& told = [](size_t, size_t) {});

/// A line for each thing in a pack that is not as it was packed; the number of its results in `seen`. `told`
/// hears of each result and of each trained adapter or model.
std::vector<std::string> verify_pack(
    const std::string& file, size_t& seen, const DoneTold& told = [](size_t, size_t) {});

}  // namespace apportion
