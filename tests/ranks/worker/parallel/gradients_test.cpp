// The sum over micro-batches has the same bytes on every rank and at every number of ranks.
#include "worker/parallel/gradients.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>

#include "shared/base/counter_rng.h"
#include "tests/support/mpi_main.h"

namespace apportion {
namespace {

at::Tensor leaf(int index, int64_t size) {
  CounterRng rng(9, "leaf " + std::to_string(index));
  at::Tensor values = at::empty({size}, at::kFloat);
  for (int64_t i = 0; i < size; ++i) values.data_ptr<float>()[i] = static_cast<float>(rng.normal());
  return values;
}

TEST(Gradients, TreeSumEqualsOneRanksOnEveryRank) {
  std::vector<int> group(static_cast<size_t>(test_ranks().size()));
  std::iota(group.begin(), group.end(), 0);
  auto collectives = make_mpi_collectives(group, 1, 60);
  auto local = make_local_collectives();
  for (int micro_batches : {1, 3, 4, 7}) {
    std::vector<at::Tensor> all, own;
    for (int m = 0; m < micro_batches; ++m) all.push_back(leaf(m, 1001));
    const auto range = micro_batches_of(collectives->group_rank(), collectives->size(), micro_batches);
    for (int m = range.first; m < range.last; ++m) own.push_back(leaf(m, 1001));
    EXPECT_TRUE(at::equal(tree_sum(own, all[0], micro_batches, *collectives),
                          tree_sum(all, all[0], micro_batches, *local)));
  }
}

}  // namespace
}  // namespace apportion
