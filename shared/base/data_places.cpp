#include "shared/base/data_places.h"

#include <errno.h>  // program_invocation_name

#include <cstdlib>

namespace apportion {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

const char* folder_name(DataKind kind) {
  switch (kind) {
    case DataKind::datasets:
      return "datasets";
    case DataKind::jobs:
      return "jobs";
    case DataKind::models:
      return "models";
  }
  return "";
}

fs::path source_folder(DataKind kind) {
  const fs::path source = APPORTION_SOURCE_DIR;
  if (kind == DataKind::models) return APPORTION_MODEL_DIR;
  return kind == DataKind::datasets ? source / "jobs" / "datasets" : source / folder_name(kind);
}

/// A bundle starts its program through its own loader, so /proc/self/exe is the loader's file; the bundle's
/// launcher (cluster/bundle/launcher.c) passes the program's own place as argv[0].
fs::path own_file() {
  std::error_code error;
  const fs::path file = fs::read_symlink("/proc/self/exe", error);
  const bool is_program = !error && !file.filename().string().starts_with("ld-linux");
  return is_program ? file : fs::path(program_invocation_name);
}

/// The user's folder by the XDG base directory specification, which ignores a relative path in the variable;
/// empty when there is none.
fs::path users_folder(const std::string& variable, const std::string& home, const char* below_home) {
  if (variable.starts_with('/')) return fs::path(variable) / "apportion";
  return home.empty() ? fs::path() : fs::path(home) / below_home / "apportion";
}

}  // namespace

DataSurroundings data_surroundings() {
  return {own_file(), environment("XDG_DATA_HOME"), environment("XDG_CACHE_HOME"), environment("HOME")};
}

std::vector<fs::path> data_folders(DataKind kind, const DataSurroundings& surroundings) {
  const fs::path installed = surroundings.program.parent_path().parent_path() / "share" / "apportion";
  std::error_code ignored;
  // An installed program ignores the source tree it was built from: someone else's files may lie there.
  const bool is_installed = surroundings.program.is_absolute() && fs::is_directory(installed, ignored);
  std::vector<fs::path> folders = {is_installed ? installed / folder_name(kind) : source_folder(kind)};
  const fs::path data = users_folder(surroundings.data_home, surroundings.home, ".local/share");
  const fs::path cache = users_folder(surroundings.cache_home, surroundings.home, ".cache");
  if (!data.empty()) folders.push_back(data / folder_name(kind));
  if (!cache.empty() && kind == DataKind::models) folders.push_back(cache);
  return folders;
}

std::vector<fs::path> data_folders(DataKind kind) { return data_folders(kind, data_surroundings()); }

std::string join_paths(const std::vector<fs::path>& paths) {
  std::string joined;
  for (const fs::path& path : paths) joined += (joined.empty() ? "" : ", ") + path.string();
  return joined;
}

std::string program_file() {
  const fs::path own = fs::absolute(own_file()).lexically_normal();
  const fs::path launcher = own.parent_path().parent_path() / "bin" / own.filename();
  std::error_code ignored;
  const bool is_bundle = own.parent_path().filename() == "libexec" && fs::exists(launcher, ignored);
  return (is_bundle ? launcher : own).string();
}

}  // namespace apportion
