#include "coordinator/folder/clearing.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "coordinator/folder/members.h"
#include "shared/base/clock.h"
#include "shared/base/standard_output.h"
#include "shared/base/utf8.h"

namespace apportion {
namespace {

constexpr size_t most_named = 3;

std::string size_text(uint64_t bytes) {
  constexpr double step = 1024;
  const char* unit = "B";
  auto size = static_cast<double>(bytes);
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (size < step) break;
    size /= step;
    unit = larger;
  }
  return fmt::format("{:.{}f} {}", size, bytes < 1024 ? 0 : 1, unit);
}

std::vector<Garbage> of_sort(const FolderGarbage& garbage, GarbageSort sort) {
  std::vector<Garbage> items;
  for (const Garbage& item : garbage.items) {
    if (item.sort == sort) items.push_back(item);
  }
  return items;
}

uint64_t bytes_of(const std::vector<Garbage>& items) {
  uint64_t bytes = 0;
  for (const Garbage& item : items) bytes += item.bytes;
  return bytes;
}

/// Whether someone at a terminal says yes.
bool is_agreed() {
  print_output("remove them? [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

std::string render_garbage(const std::string& directory, const FolderGarbage& garbage) {
  if (garbage.empty()) return directory + ": nothing to remove, jobs name all of it\n";
  std::string text = fmt::format("{}: {} in {} places that no job names\n", directory,
                                 size_text(bytes_of(garbage.items)), garbage.items.size());
  for (int sort = 0; sort < garbage_sorts; ++sort) {
    const std::vector<Garbage> items = of_sort(garbage, static_cast<GarbageSort>(sort));
    if (items.empty()) continue;
    text += fmt::format("{:>6} {:<38} {:>10}  ", items.size(), name_of(static_cast<GarbageSort>(sort)),
                        size_text(bytes_of(items)));
    for (size_t i = 0; i < std::min(most_named, items.size()); ++i)
      text += fmt::format("{} {} ({})", i == 0 ? "" : ",", items[i].path,
                          local_time_text(items[i].time, "%Y-%m-%d %H:%M"));
    text += items.size() > most_named ? ", ...\n" : "\n";
  }
  const std::vector<std::string>& cells = garbage.forgotten_cells;
  if (cells.empty()) return text;
  text += fmt::format("{:>6} {:<38} {:>10}  ", cells.size(), "cells of the index", "");
  for (size_t i = 0; i < std::min(most_named, cells.size()); ++i)
    text += fmt::format("{} {}", i == 0 ? "" : ",", cells[i]);
  return text + (cells.size() > most_named ? ", ...\n" : "\n");
}

std::string garbage_json(const FolderGarbage& garbage, bool removed) {
  nlohmann::json json = {{"removed", removed},
                         {"bytes", bytes_of(garbage.items)},
                         {"cells", garbage.forgotten_cells},
                         {"items", nlohmann::json::array()},
                         {"sorts", nlohmann::json::object()}};
  for (int sort = 0; sort < garbage_sorts; ++sort) {
    const std::vector<Garbage> items = of_sort(garbage, static_cast<GarbageSort>(sort));
    json["sorts"][name_of(static_cast<GarbageSort>(sort))] = {{"count", items.size()},
                                                              {"bytes", bytes_of(items)}};
    for (const Garbage& item : items)
      json["items"].push_back(
          {{"sort", name_of(item.sort)}, {"path", item.path}, {"bytes", item.bytes}, {"time", item.time}});
  }
  return json_text(json, 1) + "\n";
}

void clear_folder(const std::string& directory, const Forgotten& forgotten, bool yes, bool json) {
  require_folder(directory, "gc");
  require_idle(directory, "gc");
  const FolderGarbage listed = find_garbage(directory, forgotten, folder_seconds(directory));
  if (!json) print_output(render_garbage(directory, listed));
  const bool asks = !yes && !json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
  const bool removes = !listed.empty() && (yes || (asks && is_agreed()));
  if (!removes) {
    if (json) print_output(garbage_json(listed, false));
    if (!json && !listed.empty())
      print_output(asks ? "nothing is removed\n" : "nothing is removed; --yes removes them\n");
    return;
  }
  Leases self(directory, "gc", 60);
  const FolderGarbage removed = remove_garbage(directory, forgotten, listed, self, folder_seconds(directory));
  print_output(json ? garbage_json(removed, true)
                    : fmt::format("removed: {} in {} places\n", size_text(bytes_of(removed.items)),
                                  removed.items.size()));
}

}  // namespace apportion
