// The cells of an index as two datasets, each read at once: with many cells, the groups and links that tell
// other readers the same (index.h) take a hundred library calls per cell.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "shared/store/hdf5_file.h"
#include "shared/store/index.h"

namespace apportion {

/// A JSON text for each cell, and the targets of all: cell after cell, ordered by the names of their test
/// sets.
struct CellList {
  Hdf5Array<std::string> texts;
  Hdf5Array<double> targets;
};

CellList pack_cells(const std::vector<Cell>& cells);

/// Fails as the reader does when texts or targets are not as pack_cells() makes them.
std::vector<Cell> unpack_cells(const Hdf5Reader& reader, const CellList& list);

/// What a cell was asked to do as the index stores it, with only the names of its targets.
nlohmann::json about_to_json(const CellAbout& about);
/// Throws nlohmann::json::exception. Targets are left empty.
CellAbout about_from_json(const nlohmann::json& json);

/// Whether a link or a text may name a task by this: it becomes part of a path.
bool is_task_id(const std::string& id);

}  // namespace apportion
