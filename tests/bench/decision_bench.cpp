// How long a member takes to choose its next task among the 30,000 of 10,000 cells: when nobody else has
// taken one since the last choice, when a thousand members have taken one each, and when a member joins a
// sweep that is half done. Leases and results are in memory, so the file system's time is not included.
#include <benchmark/benchmark.h>

#include "coordinator/open_tasks.h"
#include "tests/support/memory_claims.h"

namespace apportion {
namespace {

constexpr size_t cells = 10'000, tasks_of_cell = 3, members = 1'024;

std::shared_ptr<const TaskGraph> sweep() {
  std::vector<Task> tasks;
  std::vector<size_t> of_cell;
  for (size_t number = 0; number < cells * tasks_of_cell; ++number) {
    Task task;
    const bool trains = number % tasks_of_cell == 0;
    task.kind = trains ? TaskKind::sft : TaskKind::measure;
    if (!trains) task.inputs = {tasks[number / tasks_of_cell * tasks_of_cell].id};
    task.identity = nlohmann::json{{"number", number}, {"model", "m"}};
    task.id = task_id(task.identity);
    tasks.push_back(std::move(task));
    of_cell.push_back(number / tasks_of_cell);
  }
  return std::make_shared<const TaskGraph>(task_list(std::move(tasks)), TaskOrder::plan, of_cell);
}

/// The first `done` cells are done, and the next `taken` ones are at work elsewhere.
void decide(benchmark::State& run, size_t done, size_t taken) {
  static const std::shared_ptr<const TaskGraph> graph = sweep();
  MemoryFolder folder;
  folder.now = [] { return 0.0; };
  for (size_t task = 0; task < done * tasks_of_cell; ++task) folder.tasks[&graph->task(task)].is_done = true;
  for (size_t cell = done; cell < done + taken; ++cell)
    folder.tasks[&graph->task(cell * tasks_of_cell)].holder = 1;
  MemoryClaims claims(folder, 0);
  const auto nothing = [](const Task&) {};
  const TaskPool pool(graph, std::vector(graph->size(), TaskState::waiting));
  double now = 0;
  for (auto _ : run) {
    run.PauseTiming();
    OpenTasks open(pool, claims, nothing, nothing);
    run.ResumeTiming();
    const std::vector<size_t> ours = open.claimed(
        1, "m", [] { return false; }, now += 1);
    benchmark::DoNotOptimize(ours.data());
    run.PauseTiming();
    claims.give_back(graph->task(ours.front()));
    run.ResumeTiming();
  }
}

void BM_NobodyElse(benchmark::State& run) { decide(run, 0, 0); }
void BM_AThousandOthersTookOne(benchmark::State& run) { decide(run, 0, members); }
void BM_ComingWhenHalfIsDone(benchmark::State& run) { decide(run, cells / 2, members); }

BENCHMARK(BM_NobodyElse)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_AThousandOthersTookOne)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_ComingWhenHalfIsDone)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apportion
