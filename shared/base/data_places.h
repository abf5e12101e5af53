// Where the program's own data lies: the one place that knows the source tree, an installation's
// share/apportion and the user's folders. data/catalogue.h and config/job_file.h look things up there by
// name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apportion {

enum class DataKind { datasets, jobs, models };

/// What the places depend on, in a form that tests can set.
struct DataSurroundings {
  std::filesystem::path program;  // the program's own file
  /// $XDG_DATA_HOME, $XDG_CACHE_HOME, $HOME; empty when unset.
  std::string data_home, cache_home, home;
};

/// This process's own.
DataSurroundings data_surroundings();

/// The folders that may hold data of a kind, in search order: next to an installed program
/// (../share/apportion/KIND), or in the source tree for one that was not installed; then the user's
/// ($XDG_DATA_HOME/apportion/KIND, and for models $XDG_CACHE_HOME/apportion), with the defaults of the XDG
/// base directory specification.
std::vector<std::filesystem::path> data_folders(DataKind kind, const DataSurroundings& surroundings);
std::vector<std::filesystem::path> data_folders(DataKind kind);

/// "A, B" for messages.
std::string join_paths(const std::vector<std::filesystem::path>& paths);

/// This program's own file, to start it again; in a bundle, its launcher. Absolute.
std::string program_file();

}  // namespace apportion
