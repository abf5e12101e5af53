// Where the program's own data lies: the one place that knows the source tree, an installation's
// share/apportion and the user's folders. What is looked up there by which name is data/catalogue.h's and
// config/job_file.h's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apportion {

enum class DataKind { datasets, jobs, models };

/// What decides it, in a form that tests can set.
struct DataSurroundings {
  std::filesystem::path program;  // the program's own file
  /// $XDG_DATA_HOME, $XDG_CACHE_HOME, $HOME; empty where one is not set.
  std::string data_home, cache_home, home;
};

/// Those of this process.
DataSurroundings data_surroundings();

/// The folders in which data of a kind may lie, in the order in which they are searched: beside an installed
/// program
/// (../share/apportion/KIND), or the source tree's for one that was not installed; then the user's
/// ($XDG_DATA_HOME/apportion/KIND, and for models $XDG_CACHE_HOME/apportion), with the defaults of the XDG
/// base directory specification.
std::vector<std::filesystem::path> data_folders(DataKind kind, const DataSurroundings& surroundings);
std::vector<std::filesystem::path> data_folders(DataKind kind);

/// "A, B" for messages.
std::string join_paths(const std::vector<std::filesystem::path>& paths);

/// This program's own file, to start it again: of a bundle its launcher. Absolute.
std::string program_file();

}  // namespace apportion
