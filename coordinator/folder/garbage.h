// What in a results folder none of its jobs name, and how it is removed: the list behind `apportion gc`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/folder/named_tasks.h"
#include "shared/store/lease.h"

namespace apportion {

/// Jobs that no longer count: those named in `forget`, or with `only` all but those.
struct Forgotten {
  std::vector<std::string> forget, only;
};

enum class GarbageSort {
  result,      // a finished task
  unfinished,  // what is there of a task without a result
  checkpoint,  // of a finished task that a job names
  answers,     // in replay/, read by no remaining task
  reference,   // in reference/, read by no remaining task
  temporary,   // left by a killed writer
  sign,        // in leases/ and members/, from runs that are gone
  plan,        // of a forgotten job
  removed      // set aside by an earlier gc that did not get to remove it
};
inline constexpr int garbage_sorts = 9;
/// "finished tasks".
const char* name_of(GarbageSort sort);

struct Garbage {
  GarbageSort sort = GarbageSort::result;
  std::string path;    // relative to the folder
  uint64_t bytes = 0;  // of all its files
  double time = 0;     // of the last change, Unix seconds
};

struct FolderGarbage {
  std::vector<Garbage> items;                // by sort, oldest first
  std::vector<Cell> cells;                   // cells of the index that stay
  std::vector<std::string> forgotten_cells;  // "job/cell" of the cells that go

  bool empty() const { return items.empty() && forgotten_cells.empty(); }
};

/// `now`: Unix seconds. Throws UserError for a folder without jobs and for a forgotten job that it does not
/// have; DataError if a damaged file hides what is named.
FolderGarbage find_garbage(const std::string& directory, const Forgotten& forgotten, double now);

/// Removes what is in `listed` and still garbage. It first renames everything into DIR/removed/, so that a
/// killed removal leaves nothing half removed; the index loses its links. `self` must have entered the folder
/// as a member. Throws UserError when another member works there.
FolderGarbage remove_garbage(const std::string& directory, const Forgotten& forgotten,
                             const FolderGarbage& listed, Leases& self, double now);

}  // namespace apportion
