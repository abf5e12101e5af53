#include "tests/support/pretend_nccl/pretend_ranks.h"

#include <gtest/gtest.h>

#include <barrier>
#include <numeric>
#include <thread>
#include <utility>

#include "tests/support/pretend_nccl/pretend_stream.h"

namespace apportion {

PretendOutcome run_pretend_ranks(const PretendRun& run, const std::function<void(PretendRank&)>& work) {
  static const bool prepared = (use_pretend_memory(), true);
  (void)prepared;
  std::vector<int> world(static_cast<size_t>(run.ranks));
  std::iota(world.begin(), world.end(), 0);
  std::vector<std::vector<std::unique_ptr<Collectives>>> controls;
  for (int group = 0; group < run.groups; ++group)
    controls.push_back(make_threads_collectives(run.ranks, run.ranks, run.timeout_s));
  std::barrier all_done(run.ranks);
  auto rank_main = [&](int rank) {
    become_pretend_gpu();
    PretendRank mine{rank, make_nccl_pool(run.end_timeout_s), {}};
    mine.form = [&, formed = size_t{0}]() mutable {
      auto control = std::move(controls.at(formed++).at(static_cast<size_t>(rank)));
      if (run.around_control) control = run.around_control(std::move(control));
      return make_nccl_collectives(std::move(control),
                                   {mine.pool, world, run.connect_timeout_s, run.timeout_s});
    };
    try {
      work(mine);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "group rank " << rank << ": " << error.what();
    }
    all_done.arrive_and_wait();
    mine.pool->close();
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < run.ranks; ++rank) threads.emplace_back(rank_main, rank);
  for (std::thread& thread : threads) thread.join();
  finish_pretend_streams();
  PretendOutcome outcome;
  outcome.counts = pretend_nccl_counts();
  reset_pretend_nccl();
  outcome.faults = take_pretend_faults();
  return outcome;
}

}  // namespace apportion
