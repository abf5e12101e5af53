#include "shared/config/job_file.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <filesystem>
#include <map>
#include <sstream>

#include "shared/base/data_places.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option_table.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

po::options_description describe_keys() {
  po::options_description description;
  for (const Option* option : option_table()) {
    description.add_options()(option->key.c_str(), po::value<std::string>(), option->help.c_str());
  }
  return description;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// The option on one line, if there is one. One line at a time, because Boost's parser does not count lines.
std::vector<po::option> parse_line(const std::string& line, const po::options_description& keys,
                                   const std::string& source) {
  if (line.find('\0') != std::string::npos) throw UserError(source + ": a zero byte; a job file is text");
  if (size_t mark = line.find('#'); mark != std::string::npos && mark > 0 && !is_blank(line[mark - 1])) {
    throw UserError(source +
                    ": '#' without a blank before it; names and paths cannot have one, and a comment begins "
                    "at a line's start or after a blank");
  }
  std::istringstream stream(line);
  try {
    return po::parse_config_file(stream, keys, /*allow_unregistered=*/true).options;
  } catch (const po::error&) {
    throw UserError(source + ": neither 'key = value' nor a comment that starts with '#'");
  }
}

/// Whether the line begins the section [sweep]; throws for any other section.
bool begins_sweep(const std::string& line, const std::string& source) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line[begin] != '[') return false;
  const std::string before = line.substr(0, line.find('#'));  // a comment may follow
  const std::string text = before.substr(begin, before.find_last_not_of(" \t\r") - begin + 1);
  if (text != "[sweep]")
    throw UserError(source + ": a section '" + printable(text) +
                    "'; the only one is [sweep], and all other keys are flat, 'key = value'");
  return true;
}

}  // namespace

std::string find_job_file(const std::string& name_or_path) {
  std::error_code ignored;
  const bool is_path = name_or_path.empty() || name_or_path.front() == '/' || name_or_path.front() == '.';
  if (is_path || fs::exists(name_or_path, ignored)) return name_or_path;
  const std::string prefix = "jobs/";
  const std::string name =
      name_or_path.starts_with(prefix) ? name_or_path.substr(prefix.size()) : name_or_path;
  std::vector<fs::path> tried;
  for (const fs::path& folder : data_folders(DataKind::jobs)) {
    tried.push_back(folder / name);
    if (fs::is_regular_file(tried.back(), ignored)) return tried.back().string();
  }
  throw UserError(fmt::format("there is no job file {}, nor {}", printable(name_or_path), join_paths(tried)));
}

JobFile parse_job_file(const std::string& text, const std::string& path) {
  const po::options_description keys = describe_keys();
  JobFile file;
  std::map<std::string, int> line_of_key;
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  std::istringstream stream(text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text);
  std::string line;
  bool in_sweep = false;
  for (int number = 1; std::getline(stream, line); ++number) {
    std::string source = fmt::format("{}, line {}", path, number);
    if (begins_sweep(line, source)) {
      if (in_sweep) throw UserError(source + ": the section [sweep] appears twice; keep one");
      in_sweep = true;
      continue;
    }
    for (const po::option& option : parse_line(line, keys, source)) {
      const std::string& key = option.string_key;
      const std::string value = option.value.empty() ? "" : option.value.front();
      if (in_sweep) {
        file.sweep.push_back({key, value, source});
        continue;
      }
      if (option.unregistered) {
        throw UserError(fmt::format("{}: unknown key '{}'; did you mean '{}'?", source, printable(key),
                                    nearest_key(key)));
      }
      auto [first, is_new] = line_of_key.emplace(key, number);
      if (!is_new) {
        throw UserError(fmt::format("{}: key '{}' is already set in line {}; keep one of the two", source,
                                    key, first->second));
      }
      file.settings.push_back({key, value, source});
    }
  }
  if (in_sweep && file.sweep.empty())
    throw UserError(path + ": the section [sweep] is empty; give keys with lists of values, or remove it");
  return file;
}

JobFile read_job_file(const std::string& path) { return parse_job_file(read_file(path), path); }

std::string format_job_file(const RunConfig& config) {
  std::string text;
  for (const auto& [key, value] : config.resolved) text += fmt::format("{} = {}\n", key, value);
  return text;
}

std::string format_default_job_file() {
  std::string text = "# All keys with their defaults. A job file needs only the lines that differ.\n";
  for (const OptionGroup& group : option_groups()) {
    text += fmt::format("\n# ---- {} ----\n", group.title);
    for (const Option& option : group.options) {
      text += fmt::format("\n# {}\n# {}\n{} = {}\n", option.help, option.allowed, option.key,
                          option.default_value);
    }
  }
  return text;
}

}  // namespace apportion
