// `apportion merge`: what another results folder has and this one lacks comes into this one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "coordinator/status.h"
#include "shared/store/plan_file.h"

namespace apportion {

struct Merged {
  size_t results = 0, had = 0;  // that came; that were here with the same content
  size_t cells = 0;
  std::vector<std::string> left;  // a line each of what did not come
};

/// Copies into `directory` what is finished in `from` and not yet here: results with what they trained, what
/// is kept in replay/, reference/ and judgements/, cells of the index, plans, journals. What is here is left
/// as it is. Each file comes whole or not at all, a result after all that belongs to it, so the same call
/// goes on where one was killed. Runs may work in `directory`. Throws UserError when the two are one folder,
/// when one of them is none, while a member works in `from`, and when nothing can be written. `told` hears of
/// each result.
Merged merge_folder(
    const std::string& directory, const std::string& from, const DoneTold& told = [](size_t, size_t) {});

/// The cells and tasks of both, those of `ours` first. The two are of one job.
PlanFile united(const PlanFile& ours, const PlanFile& theirs);

/// Says what came from `from`, and what did not on standard error. The exit code, 1 when something did not.
int say_merged(const Merged& merged, const std::string& from);

}  // namespace apportion
