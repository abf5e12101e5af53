#include "shared/data/catalogue.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "shared/base/data_places.h"
#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

/// Models with a name of their own; any other NAME stands for the file NAME.gguf.
const std::map<std::string, std::string>& model_files() {
  static const std::map<std::string, std::string> files = {{"smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"}};
  return files;
}

bool is_dataset(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "targets.csv", ignored);
}

bool is_name(const std::string& text) { return !text.empty() && text.find('/') == std::string::npos; }

std::vector<std::string> dataset_names(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
      if (is_dataset(entry.path())) names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The first parts of split models called NAME next to where FOLDER/NAME.gguf would be:
/// "NAME-00001-of-00003.gguf".
std::vector<std::string> first_parts(const fs::path& file) {
  constexpr std::string_view first = "-00001-of-", shape = "-00001-of-00000.gguf";
  const std::string stem = file.stem().string();
  std::vector<std::string> found;
  for (const std::string& name : names_in(file.has_parent_path() ? file.parent_path().string() : ".")) {
    if (name.size() == stem.size() + shape.size() && name.starts_with(stem) && name.ends_with(".gguf") &&
        name.compare(stem.size(), first.size(), first) == 0)
      found.push_back((file.parent_path() / name).string());
  }
  return found;
}

[[noreturn]] void fail_without_file(const std::string& path) {
  const std::vector<std::string> parts = first_parts(path);
  const std::string hint = parts.empty() ? "" : "; " + parts.front() + " is there, the first of its parts";
  throw MissingError("there is no model file " + path + hint + "; give a GGUF file, a folder or a name");
}

}  // namespace

std::string find_dataset(const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::is_directory(name_or_path, ignored)) return name_or_path;
  const std::vector<fs::path> folders = data_folders(DataKind::datasets);
  for (const fs::path& folder : folders) {
    if (is_name(name_or_path) && is_dataset(folder / name_or_path)) return (folder / name_or_path).string();
  }
  std::string message =
      "dataset \"" + name_or_path + "\" is neither a folder nor a name in " + join_paths(folders);
  const std::vector<std::string> names = dataset_names(folders);
  if (!names.empty()) message += "; the nearest name is " + nearest_word(name_or_path, names);
  throw MissingError(message);
}

std::string find_list(const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::is_regular_file(name_or_path, ignored)) return name_or_path;
  std::vector<fs::path> tried;
  for (const fs::path& folder : data_folders(DataKind::datasets)) {
    tried.push_back(folder / "common" / (name_or_path + ".txt"));
    if (is_name(name_or_path) && fs::is_regular_file(tried.back(), ignored)) return tried.back().string();
  }
  throw UserError("\"" + name_or_path + "\" is neither a file nor at " + join_paths(tried));
}

std::string find_model(const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::is_regular_file(name_or_path, ignored)) return name_or_path;
  const auto known = model_files().find(name_or_path);
  const std::string file = known != model_files().end() ? known->second : name_or_path + ".gguf";
  std::vector<fs::path> tried;
  for (const fs::path& folder : data_folders(DataKind::models)) {
    if (!is_name(name_or_path)) break;
    tried.push_back(folder / file);
    if (fs::is_regular_file(tried.back(), ignored)) return tried.back().string();
    const std::vector<std::string> parts = first_parts(tried.back());
    if (parts.size() > 1) {
      throw UserError("model \"" + name_or_path + "\" is there in parts twice, " + parts[0] + " and " +
                      parts[1] + "; give the path of one");
    }
    if (!parts.empty()) return parts.front();
  }
  if (tried.empty()) fail_without_file(name_or_path);
  std::string names;
  for (const auto& entry : model_files()) names += (names.empty() ? "" : ", ") + entry.first;
  throw MissingError(
      "model \"" + name_or_path + "\" is neither a file nor at " + join_paths(tried) + "; names are " +
      names +
      "; each belongs at one of these (in the source tree, bash cluster/quickstart.sh puts them there)");
}

}  // namespace apportion
