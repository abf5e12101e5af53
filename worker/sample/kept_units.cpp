// A file has a line with the SHA-256 of all that follows, a line with the number of prompts in a unit, and
// for each unit a line with its size and then the bytes of its message (link/message.h); see kept_units.h.
#include "worker/sample/kept_units.h"

#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

namespace fs = std::filesystem;

constexpr const char* ending = ".units";

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const std::string& name : names_in(folder)) {
    if (fs::path(name).extension() == ending) files.push_back(folder + "/" + name);
  }
  return files;
}

/// Takes the first line off `rest`.
std::string take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) throw UserError("it ends inside");
  const std::string line(rest.substr(0, end));
  rest.remove_prefix(end + 1);
  return line;
}

uint64_t take_number(std::string_view& rest) {
  uint64_t number = 0;
  if (!parse_integer(take_line(rest), number)) throw UserError("it has text where a number should be");
  return number;
}

}  // namespace

KeptUnits::KeptUnits(std::string folder, std::string task_id, int unit_prompts)
    : folder_(std::move(folder)), task_id_(std::move(task_id)), unit_prompts_(unit_prompts) {}

std::map<int, Histogram> KeptUnits::load(const std::function<void(const std::string&)>& warn) const {
  std::map<int, Histogram> units;
  for (const std::string& file : files_in(folder_)) {
    try {
      const std::string bytes = read_file(file);
      std::string_view rest = bytes;
      const std::string digest = take_line(rest);
      if (digest != sha256(rest)) throw UserError("its bytes are not those that were written");
      if (take_number(rest) != static_cast<uint64_t>(unit_prompts_)) continue;  // other units
      while (!rest.empty()) {
        const uint64_t size = take_number(rest);
        if (size > rest.size()) throw UserError("it ends inside");
        Message message = decode(rest.substr(0, size), 0);
        rest.remove_prefix(size);
        auto* unit = std::get_if<Histogram>(&message);
        if (!unit || unit->task_id != task_id_) throw UserError("it is of another task");
        const int number = unit->unit;
        units.emplace(number, std::move(*unit));
      }
    } catch (const Error& error) {
      warn("measured units in " + file + " are measured again: " + error.what());
    }
  }
  return units;
}

void KeptUnits::save(int rank, int ranks) const {
  if (encoded_.empty()) return;
  std::string bytes = std::to_string(unit_prompts_) + "\n";
  for (const auto& [number, unit] : encoded_) bytes += std::to_string(unit.size()) + "\n" + unit;
  make_directories(folder_);
  const std::string name = "rank-" + std::to_string(rank) + "-of-" + std::to_string(ranks) + ending;
  write_file(folder_ + "/" + name, {sha256(bytes) + "\n", bytes});
}

}  // namespace apportion
