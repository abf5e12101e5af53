// The cells of an index as two datasets of it, which are read at once: of many cells the groups and links
// that say the same to other readers (index.h) take a hundred calls of the library each.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "shared/store/hdf5_file.h"
#include "shared/store/index.h"

namespace apportion {

/// Of each cell a JSON text, and the targets of all, cell after cell, in the order of their test sets' names.
struct CellList {
  Hdf5Array<std::string> texts;
  Hdf5Array<double> targets;
};

CellList pack_cells(const std::vector<Cell>& cells);

/// Fails as the reader does where texts or targets are not what pack_cells() makes.
std::vector<Cell> unpack_cells(const Hdf5Reader& reader, const CellList& list);

/// What a cell was asked to do as the index has it, its targets apart: of these the names.
nlohmann::json about_to_json(const CellAbout& about);
/// Throws nlohmann::json::exception. Targets are left empty.
CellAbout about_from_json(const nlohmann::json& json);

/// Whether a link or a text may name a task: it becomes part of a path.
bool is_task_id(const std::string& id);

}  // namespace apportion
