// For timing `apportion report` and `apportion status` on a folder of many cells: writes a made-up sweep of
// that many, as a run would leave it, with its plan and journal, unless the folder already has an index. Then
// time the program itself by hand: `time apportion report DIR`. Usage: report_study DIR [CELLS].
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include "shared/store/journal.h"
#include "tests/support/sample_folder.h"
#include "tests/support/sample_sweep.h"

namespace apportion {
namespace {

/// Writes a history in which one member has done all tasks.
void write_history(const std::string& directory, const std::vector<Cell>& cells) {
  const PlanFile plan = sample_plan(cells.front().job, cells);
  write_plan_file(directory, plan);
  JournalWriter journal(directory, "node-1.1");
  journal.add({JournalEvent::began, "", plan.job});
  std::set<std::string> seen;
  for (const PlannedTask& task : plan.tasks) {
    if (!seen.insert(task.id).second) continue;
    JournalRecord record{JournalEvent::taken, task.id, task.label};
    journal.add(record);
    record.event = JournalEvent::done;
    record.ranks = 1;
    journal.add(record);
  }
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  using namespace apportion;
  if (argc < 2) {
    std::fprintf(stderr, "Usage: report_study DIR [CELLS]\n");
    return 2;
  }
  const std::string directory = argv[1];
  const long cells = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 10'000;
  if (std::filesystem::exists(directory + "/index.h5")) return 0;
  constexpr long seeds = 10;
  SampleAxis learning_rate{"sft_learning_rate", {}}, seed{"seed", {}};
  for (long i = 0; i < (cells + seeds - 1) / seeds; ++i)
    learning_rate.second.push_back("0." + std::to_string(100'000 + i));
  for (long i = 0; i < seeds; ++i) seed.second.push_back(std::to_string(i));
  const std::vector<Cell> written = write_sample_sweep(directory, {learning_rate, seed});
  write_history(directory, written);
  std::printf("%zu cells\n", written.size());
  return 0;
}
