// `apportion merge`: brings into one results folder what it lacks from another.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "coordinator/status.h"
#include "shared/store/plan_file.h"

namespace apportion {

struct Merged {
  size_t results = 0, had = 0;  // results copied; results already here with the same content
  size_t cells = 0;
  std::vector<std::string> left;  // a line for each thing not copied
};

/// Copies into `directory` what is finished in `from` and not yet there: results with what they trained, what
/// is kept in replay/, reference/ and judgements/, cells of the index, plans, journals. It leaves what is
/// already there unchanged. Each file is copied whole or not at all, a result after everything that belongs
/// to it, so the same call goes on where a killed one stopped. Runs may work in `directory`. Throws UserError
/// when the two are the same folder, when one of them is not a results folder, while a member works in
/// `from`, and when nothing can be written. Calls `told` for each result.
Merged merge_folder(
    const std::string& directory, const std::string& from, const DoneTold& told = [](size_t, size_t) {});

/// The cells and tasks of both plans, those of `ours` first. Both must be of one job.
PlanFile united(const PlanFile& ours, const PlanFile& theirs);

/// Prints what came from `from`, and on standard error what did not. Returns the exit code: 1 if something
/// did not.
int say_merged(const Merged& merged, const std::string& from);

}  // namespace apportion
