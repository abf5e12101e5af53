#include "coordinator/submit/site.h"

#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <regex>
#include <sstream>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option.h"

namespace apportion {

namespace {

/// One key: assigns a value, or says what would be allowed.
struct SiteKey {
  std::function<bool(Site&, const std::string&)> assign;
  std::string allowed;
  bool repeats = false;
};

/// Whether the text is one word: Slurm splits its options at blanks, and the value stands in the batch file.
bool is_word(const std::string& text) {
  return !text.empty() && text.find_first_of(" \t'\"\\`$;&|<>()") == std::string::npos;
}

SiteKey word(std::string Site::*member) {
  return {[=](Site& site, const std::string& value) { return is_word(site.*member = value); },
          "a name without blanks and quotes"};
}

SiteKey pattern(std::string Site::*member, const std::string& form, const std::string& allowed) {
  return {[=](Site& site, const std::string& value) {
            return std::regex_match(site.*member = value, std::regex(form));
          },
          allowed};
}

SiteKey number(int Site::*member, uint64_t low) {
  const IntegerRange range{low, 1'000'000};
  return {[=](Site& site, const std::string& value) {
            uint64_t parsed = 0;
            if (!parse_integer(value, parsed) || parsed < range.low || parsed > range.high) return false;
            site.*member = static_cast<int>(parsed);
            return true;
          },
          describe(range)};
}

SiteKey text(std::string Site::*member) {
  return {[=](Site& site, const std::string& value) { return !(site.*member = value).empty(); }, "some text"};
}

bool is_launcher(const std::string& value) {
  const std::string first = value.substr(0, value.find(' '));
  const std::string name = first.substr(first.rfind('/') + 1);
  return name == "mpirun" || (name == "srun" && value.find("--mpi=") != std::string::npos);
}

bool add_modules(Site& site, const std::string& value) {
  std::istringstream words(value);
  for (std::string name; words >> name;) {
    if (!is_word(name)) return false;
    site.modules.push_back(name);
  }
  return !value.empty();
}

bool add_variable(Site& site, const std::string& value) {
  static const std::regex form("([A-Za-z_][A-Za-z0-9_]*)=(.*)");
  std::smatch parts;
  if (!std::regex_match(value, parts, form)) return false;
  site.environment.emplace_back(parts[1], parts[2]);
  return true;
}

const std::map<std::string, SiteKey>& site_keys() {
  static const std::map<std::string, SiteKey> keys = {
      {"account", word(&Site::account)},
      {"partition", word(&Site::partition)},
      {"qos", word(&Site::qos)},
      {"constraint", text(&Site::constraint)},
      {"memory", pattern(&Site::memory, "[0-9]+[KMGT]?", "memory of a node in sbatch's form, such as 64G")},
      {"time",
       pattern(&Site::time, "UNLIMITED|[0-9]+|[0-9]+(:[0-5]?[0-9]){1,2}|[0-9]+-[0-9]+(:[0-5]?[0-9]){0,2}",
               "a time in sbatch's form, such as 12:00:00 or 1-12:00:00")},
      {"ranks", number(&Site::ranks, 1)},
      {"ranks_a_node", number(&Site::ranks_a_node, 1)},
      {"cores_a_rank", number(&Site::cores_a_rank, 1)},
      {"gpus_a_node", number(&Site::gpus_a_node, 0)},
      {"launcher",
       {[](Site& site, const std::string& value) { return is_launcher(site.launcher = value); },
        "mpirun, or srun --mpi=pmix, by name or path, with further options"}},
      {"container", text(&Site::container)},
      {"program", text(&Site::program)},
      {"modules", {add_modules, "names of modules, separated by blanks", true}},
      {"environment", {add_variable, "NAME=VALUE", true}},
      {"sbatch",
       {[](Site& site, const std::string& value) {
          site.sbatch.push_back(value);
          return value.starts_with("--");
        },
        "an option of sbatch, such as --exclusive", true}},
  };
  return keys;
}

/// The line without its comment: '#' at its start or after a blank.
std::string without_comment(const std::string& line) {
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#' && (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t'))
      return line.substr(0, at);
  }
  return line;
}

}  // namespace

double Site::time_s() const {
  if (time.empty() || time == "UNLIMITED") return 0;
  const size_t dash = time.find('-');
  std::vector<double> parts;
  std::istringstream stream(dash == std::string::npos ? time : time.substr(dash + 1));
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(std::stod(part));
  if (dash == std::string::npos) {  // M, M:S or H:M:S
    if (parts.size() < 3) parts.insert(parts.begin(), 0);
    parts.resize(3);
  } else {  // D-H, D-H:M or D-H:M:S
    parts.resize(3);
    parts[0] += 24 * std::stod(time.substr(0, dash));
  }
  return 3600 * parts[0] + 60 * parts[1] + parts[2];
}

Site parse_site(const std::string& text, const std::string& path) {
  Site site;
  std::map<std::string, int> line_of_key;
  std::vector<std::string> known;
  for (const auto& [key, ignored] : site_keys()) known.push_back(key);
  std::istringstream stream(text);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    const std::string source = fmt::format("{}, line {}", path, number);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const std::string content = trim(without_comment(line));
    if (content.empty()) continue;
    const size_t equals = content.find('=');
    if (equals == std::string::npos)
      throw UserError(source + ": neither 'key = value' nor a comment that starts with '#'");
    const std::string key = trim(content.substr(0, equals)), value = trim(content.substr(equals + 1));
    const auto found = site_keys().find(key);
    if (found == site_keys().end())
      throw UserError(fmt::format("{}: unknown key '{}'; did you mean '{}'?", source, printable(key),
                                  nearest_word(key, known)));
    const auto [first, is_new] = line_of_key.emplace(key, number);
    if (!is_new && !found->second.repeats)
      throw UserError(fmt::format("{}: key '{}' is already set in line {}; keep one of the two", source, key,
                                  first->second));
    if (value.find_first_of("\n\r\0", 0, 3) != std::string::npos || !found->second.assign(site, value))
      throw UserError(
          fmt::format("{}: {} = '{}' must be {}", source, key, printable(value), found->second.allowed));
  }
  return site;
}

Site read_site(const std::string& path, std::string& found) {
  found = path;
  if (path.empty()) {
    const char *configuration = std::getenv("XDG_CONFIG_HOME"), *home = std::getenv("HOME");
    const std::string own = configuration && *configuration ? configuration
                            : home                          ? std::string(home) + "/.config"
                                                            : "";
    for (const std::string& place : {std::string("cluster/site.ini"), own + "/apportion/site.ini"}) {
      if (found.empty() && is_regular_file(place)) found = place;
    }
  }
  return found.empty() ? Site{} : parse_site(read_file(found), found);
}

}  // namespace apportion
