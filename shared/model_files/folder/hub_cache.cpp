#include "shared/model_files/folder/hub_cache.h"

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <system_error>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

std::string value_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

fs::path cache_folder() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string folder = value_of(variable); !folder.empty()) return folder;
  }
  if (const std::string home = value_of("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  const std::string cache = value_of("XDG_CACHE_HOME");
  return (cache.empty() ? fs::path(value_of("HOME")) / ".cache" : fs::path(cache)) / "huggingface" / "hub";
}

/// The commit that a branch points to: a file of one line.
std::string commit_of(const fs::path& ref) {
  if (!is_regular_file(ref.string())) return "";
  std::string text = read_file(ref.string());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return std::regex_match(text, std::regex("[0-9a-f]{40}")) ? text : "";
}

}  // namespace

bool is_hub_name(const std::string& text) {
  static const std::regex form(R"([\w-][\w.-]*/[\w-][\w.-]*)");
  return std::regex_match(text, form);
}

std::string find_in_hub_cache(const std::string& name) {
  const std::string owner = name.substr(0, name.find('/')), own = name.substr(name.find('/') + 1);
  const fs::path model = cache_folder() / ("models--" + owner + "--" + own);
  const std::string commit = commit_of(model / "refs" / "main");
  const fs::path snapshot = model / "snapshots" / commit;
  std::error_code ignored;
  if (!commit.empty() && fs::is_regular_file(snapshot / "config.json", ignored)) return snapshot.string();
  throw MissingError("model \"" + name +
                     "\" is neither a file nor a folder, and not in the cache of Hugging Face's hub (" +
                     model.string() + "); nothing is downloaded here: hf download " + name +
                     " fetches it, HF_HOME says where to");
}

std::string hub_name_of_folder(const std::string& folder) {
  static const std::regex form(R"(.*/models--([\w.-]+?)--([\w.-]+)/snapshots/[0-9a-f]{40}/?)");
  std::smatch match;
  return std::regex_match(folder, match, form) ? match[1].str() + "/" + match[2].str() : "";
}

}  // namespace apportion
