// Speed of gathers and sums between the ranks of one mpirun, each with one thread, compared with memcpy of as
// many bytes by every rank at once in the same run. Arguments: operation, total MB, where the source lies,
// and whether the ranks share their node's memory or send messages as if each were a node. GB/s count the
// whole tensor once; times are medians over iterations of the slowest rank.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>

#include "shared/base/clock.h"
#include "shared/link/rank_group.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"

namespace apportion {
namespace {

constexpr int iterations = 40;
const RankGroup* ranks_in_use = nullptr;

enum Measured { all_gather, reduce_scatter, all_reduce };
enum SourcePlace { shared_memory, private_memory };

std::array<std::unique_ptr<Collectives>, 2> groups;  // freed before MPI ends

Collectives& group_of(NodeSharing sharing) {
  auto& group = groups[static_cast<size_t>(sharing)];
  if (!group) {
    std::vector<int> all(static_cast<size_t>(ranks_in_use->size()));
    std::iota(all.begin(), all.end(), 0);
    group = make_mpi_collectives(all, 1 + static_cast<int>(sharing), 60, sharing);
  }
  return *group;
}

double cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// For each iteration, in which all begin together: seconds of the slowest rank, and CPU seconds of this
/// rank.
struct Times {
  std::vector<double> seconds, cpu;

  template <typename Work>
  void measure(Collectives& group, const Work& work) {
    group.barrier();
    const double cpu_start = cpu_seconds(), start = seconds_now();
    work();
    const double end = seconds_now();
    cpu.push_back(cpu_seconds() - cpu_start);
    const std::vector<double> all = group.all_gather({end - start});
    seconds.push_back(*std::max_element(all.begin(), all.end()));
  }
};

double least(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void transfer(benchmark::State& state) {
  const auto sharing = state.range(3) == 0 ? NodeSharing::used : NodeSharing::ignored;
  Collectives& group = group_of(sharing);
  const int64_t bytes = state.range(1) << 20, elements = bytes / 4;
  const int ranks = group.size(), rank = group.group_rank();
  const Parts parts = Parts::even(elements, ranks);
  std::vector<int64_t> counts;
  for (int r = 0; r < ranks; ++r) counts.push_back(parts.count(r));
  at::Tensor source = at::zeros({elements}), target = at::zeros({elements}), copy = at::zeros({elements});
  if (state.range(2) == shared_memory) {
    const at::Tensor memory = group.allocate_shared(ranks * bytes);
    source = memory.narrow(0, rank * bytes, bytes).view(at::kFloat);
  }
  const at::Tensor own = source.narrow(0, parts.offset(rank), parts.count(rank));
  const at::Tensor sum = target.narrow(0, 0, parts.count(rank));
  auto operation = [&] {
    if (state.range(0) == all_gather) group.all_gather(own, target, counts);
    if (state.range(0) == reduce_scatter) group.reduce_scatter(source, sum, counts);
    if (state.range(0) == all_reduce) group.all_reduce(source);
  };
  operation();  // makes the stages' pages
  Times times, copies;
  for (auto _ : state) {
    copies.measure(group,
                   [&] { std::memcpy(copy.data_ptr(), target.data_ptr(), static_cast<size_t>(bytes)); });
    times.measure(group, operation);
    state.SetIterationTime(times.seconds.back());
  }
  state.counters["GB/s"] = static_cast<double>(bytes) / least(times.seconds) / 1e9;
  state.counters["memcpy_GB/s"] = static_cast<double>(bytes) / least(copies.seconds) / 1e9;
  state.counters["of_memcpy"] = least(copies.seconds) / least(times.seconds);
  state.counters["of_memcpy_cpu"] = median(copies.cpu) / median(times.cpu);
}

BENCHMARK(transfer)
    ->ArgNames({"operation", "MB", "private", "messages"})
    ->ArgsProduct(
        {{all_gather, reduce_scatter, all_reduce}, {1, 8, 64}, {shared_memory, private_memory}, {0}})
    ->ArgsProduct({{all_gather, reduce_scatter, all_reduce}, {1, 8, 64}, {private_memory}, {1}})
    ->Iterations(iterations)  // the same on every rank
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// The reporter of ranks other than 0, which print nothing.
class SilentReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

void run_benchmarks() {
  SilentReporter silent;
  if (ranks_in_use->rank() == 0) {
    benchmark::RunSpecifiedBenchmarks();
  } else {
    benchmark::RunSpecifiedBenchmarks(&silent);
  }
  groups = {};
}

}  // namespace
}  // namespace apportion

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  apportion::RankGroup ranks(apportion::Launch::mpi);
  apportion::ranks_in_use = &ranks;
  at::set_num_threads(1);
  apportion::run_benchmarks();
}
