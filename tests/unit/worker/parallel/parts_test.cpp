// How tensors are cut over ranks, and that sums over ranks have one order for any threads and aliasing.
#include "worker/parallel/parts.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <limits>

#include "shared/base/error.h"
#include "tests/support/worker/rank_numbers.h"

namespace apportion {
namespace {

TEST(Parts, EvenPartsDifferByOneAtMost) {
  const Parts parts = Parts::even(11, 4);
  EXPECT_EQ(parts.size(), 4);
  EXPECT_EQ(parts.total(), 11);
  std::vector<int64_t> counts;
  for (int rank = 0; rank < 4; ++rank) counts.push_back(parts.count(rank));
  EXPECT_EQ(counts, (std::vector<int64_t>{3, 3, 3, 2}));
  EXPECT_EQ(parts.offset(3), 9);
  EXPECT_EQ(Parts::even(0, 3).total(), 0);
}

TEST(Parts, CountBeyond31Bits) {
  constexpr int64_t large = (int64_t{1} << 40) + 3;
  const Parts parts({large, 0, large});
  EXPECT_EQ(parts.offset(2), large);
  EXPECT_EQ(parts.total(), 2 * large);
  EXPECT_THROW(Parts({std::numeric_limits<int64_t>::max(), 1}), InternalError);
  EXPECT_THROW(Parts({3, -1}), InternalError);
}

TEST(Parts, SumsFollowTheTreeWhateverTheThreads) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  for (int ranks = 1; ranks <= 9; ++ranks) {
    for (int64_t size : {0, 1, 15, 1024, 1025, 700001}) {
      std::vector<at::Tensor> contributions;
      std::vector<const float*> sources;
      for (int rank = 0; rank < ranks; ++rank) {
        contributions.push_back(suite::contribution(rank, size));
        sources.push_back(contributions.back().data_ptr<float>());
      }
      const at::Tensor expected = suite::reference_sum(0, ranks, size);
      const at::Tensor sum = at::empty({size});
      tree_sum_into(sum.data_ptr<float>(), sources, size, LoopThreads::one);
      EXPECT_TRUE(at::equal(sum, expected)) << ranks << " ranks, " << size;
      const at::Tensor& last = contributions.back();  // the output may also be a source
      tree_sum_into(last.data_ptr<float>(), sources, size, LoopThreads::all);
      EXPECT_TRUE(at::equal(last, expected)) << ranks << " ranks, " << size;
    }
  }
  at::set_num_threads(before);
}

TEST(Parts, TheSuitesReferenceSeesTheOrder) {
  const at::Tensor chain = suite::contribution(0, 4096) + suite::contribution(1, 4096) +
                           suite::contribution(2, 4096) + suite::contribution(3, 4096);
  EXPECT_FALSE(at::equal(chain, suite::reference_sum(0, 4, 4096)));
}

}  // namespace
}  // namespace apportion
