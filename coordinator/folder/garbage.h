// What of a results folder no job of it names, and how it goes: the listing behind `apportion gc`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/folder/named_tasks.h"
#include "shared/store/lease.h"

namespace apportion {

/// Jobs whose word no longer counts: those named in `forget`, or with `only` all but those.
struct Forgotten {
  std::vector<std::string> forget, only;
};

enum class GarbageSort {
  result,      // a finished task
  unfinished,  // what there is of a task without a result
  checkpoint,  // of a finished task that a job names
  answers,     // replay/: read by no task that is left
  reference,   // likewise
  temporary,   // what a killed writer left
  sign,        // leases/ and members/: of runs that are gone
  plan,        // of a job that is forgotten
  removed      // what a gc before has set aside and not come to remove
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
  std::vector<Garbage> items;                // by sort, the oldest first
  std::vector<Cell> cells;                   // of the index that stay
  std::vector<std::string> forgotten_cells;  // "job/cell" of those that do not

  bool empty() const { return items.empty() && forgotten_cells.empty(); }
};

/// `now`: Unix seconds. Throws UserError for a folder without jobs or a forgotten job that it has not;
/// DataError where a damaged file keeps it from being told what is named.
FolderGarbage find_garbage(const std::string& directory, const Forgotten& forgotten, double now);

/// Removes what is in `listed` and still is garbage: set aside under DIR/removed/ first, by renaming, so that
/// a removal that is killed leaves no half of anything; the index loses its links. `self` has entered the
/// folder as a member. Throws UserError when another member works there.
FolderGarbage remove_garbage(const std::string& directory, const Forgotten& forgotten,
                             const FolderGarbage& listed, Leases& self, double now);

}  // namespace apportion
