// Shard groups over ranks that are threads: gathering gives what one rank alone has, at sizes that do not
// divide evenly; each rank asks only for rows that it holds; live bytes are counted and freed.
#include "worker/parallel/shard_group.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <thread>

#include "tests/support/worker/test_device.h"

namespace apportion {
namespace {

using Sizes = std::vector<std::vector<int64_t>>;

/// Values that identify tensor, row and column.
at::Tensor rows_of(const Sizes& sizes, size_t tensor, int64_t first, int64_t last) {
  const int64_t columns = sizes[tensor].size() > 1 ? sizes[tensor][1] : 1;
  at::Tensor all =
      at::arange(sizes[tensor][0] * columns, at::kFloat) + 1000.0 * static_cast<double>(tensor + 1);
  std::vector<int64_t> shape = sizes[tensor];
  shape[0] = last - first;
  return all.narrow(0, first * columns, (last - first) * columns).view(shape);
}

void on_ranks(int ranks, int ranks_per_node, const std::function<void(Collectives&)>& work) {
  auto group = make_threads_collectives(ranks, ranks_per_node, 20);
  std::vector<std::thread> threads;
  for (auto& rank : group) {
    threads.emplace_back([&work, mine = std::move(rank)] { work(*mine); });
  }
  for (std::thread& thread : threads) thread.join();
}

void expect_whole(ShardGroup& group, const Sizes& sizes, at::ScalarType type) {
  const auto& tensors = group.get();
  ASSERT_EQ(tensors.size(), sizes.size());
  for (size_t t = 0; t < sizes.size(); ++t) {
    EXPECT_EQ(tensors[t].sizes().vec(), sizes[t]);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensors[t].data_ptr()) % 64, 0U);
    EXPECT_TRUE(at::equal(tensors[t], rows_of(sizes, t, 0, sizes[t][0]).to(type))) << t;
  }
}

const std::vector<Sizes> packs = {{{1, 1}}, {{7, 5}, {3, 17}, {11}}, {{64, 32}, {1, 9}}, {{1000, 3}}};

class ShardGroupRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, ShardGroupRanks, testing::Values(1, 2, 3, 4));

TEST_P(ShardGroupRanks, GathersWhatOneRankHas) {
  on_ranks(GetParam(), 1, [](Collectives& ranks) {
    for (const Sizes& sizes : packs) {
      for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        int64_t asked = 0;
        auto rows = [&](size_t tensor, int64_t first, int64_t last) {
          asked += last - first;
          return rows_of(sizes, tensor, first, last);
        };
        ShardGroup group(sizes, type, test_device(), {&ranks, false}, {}, rows);
        const int64_t all = std::accumulate(sizes.begin(), sizes.end(), int64_t{0},
                                            [](int64_t sum, const auto& tensor) { return sum + tensor[0]; });
        // The row at each end may also be another rank's.
        EXPECT_LE(asked, all / ranks.size() + 64 + 2);
        for (int repeat = 0; repeat < 2; ++repeat) {
          group.gather();
          group.gather();  // a second call changes nothing
          expect_whole(group, sizes, type);
          group.release();
          EXPECT_EQ(group.is_whole(), ranks.size() == 1);
        }
      }
    }
  });
}

TEST_P(ShardGroupRanks, SharedMemoryHoldsOneCopy) {
  const int count = GetParam();
  on_ranks(count, count, [](Collectives& ranks) {
    for (const Sizes& sizes : packs) {
      at::Tensor shared = ranks.allocate_shared(ShardGroup::packed_bytes(sizes, at::kFloat));
      ShardGroup group(sizes, at::kFloat, test_device(), {&ranks, false}, shared,
                       [&](size_t t, int64_t first, int64_t last) { return rows_of(sizes, t, first, last); });
      ranks.barrier();
      EXPECT_TRUE(group.is_whole());
      expect_whole(group, sizes, at::kFloat);
      group.drop();
      expect_whole(group, sizes, at::kFloat);
      ranks.barrier();
    }
  });
}

TEST_P(ShardGroupRanks, ResidentOnesStayUntilTheyAreDropped) {
  on_ranks(GetParam(), 1, [](Collectives& ranks) {
    const Sizes& sizes = packs[1];
    ShardGroup group(sizes, at::kFloat, test_device(), {&ranks, true}, {},
                     [&](size_t t, int64_t first, int64_t last) { return rows_of(sizes, t, first, last); });
    expect_whole(group, sizes, at::kFloat);
    const void* place = group.get()[0].data_ptr();
    group.release();
    EXPECT_EQ(group.get()[0].data_ptr(), place);
    group.drop();
    expect_whole(group, sizes, at::kFloat);
  });
}

TEST_P(ShardGroupRanks, LeftInTheFileTheyAreReadForEachUse) {
  on_ranks(GetParam(), 1, [](Collectives& ranks) {
    for (const Sizes& sizes : packs) {
      int reads = 0;
      auto rows = [&](size_t tensor, int64_t first, int64_t last) {
        ++reads;
        return rows_of(sizes, tensor, first, last);
      };
      ShardGroup group(sizes, at::kFloat, test_device(), {&ranks, false, BasePlace::file}, {}, rows);
      EXPECT_EQ(reads, 0);
      int before = 0;
      for (int repeat = 0; repeat < 2; ++repeat) {
        group.gather();
        EXPECT_TRUE(reads > before ||
                    ranks.group_rank() + 1 < ranks.size());  // other ranks may hold none of it
        before = reads;
        expect_whole(group, sizes, at::kFloat);
        EXPECT_EQ(reads, before);
        group.release();
        EXPECT_FALSE(group.is_whole());
      }
      group.gather();
      group.drop();  // before it arrived
      ranks.barrier();
    }
  });
}

TEST(ShardGroup, CountsWhatIsReadForAUse) {
  const Sizes sizes = {{4096, 8}};
  const int64_t before = base_memory().live, bytes = ShardGroup::packed_bytes(sizes, at::kFloat);
  auto rows = [&](size_t t, int64_t first, int64_t last) { return rows_of(sizes, t, first, last); };
  for (int ranks : {1, 2}) {
    on_ranks(ranks, 1, [&](Collectives& group) {
      ShardGroup shards(sizes, at::kFloat, test_device(), {&group, false, BasePlace::file}, {}, rows);
      group.barrier();
      EXPECT_EQ(base_memory().live, before);
      group.barrier();
      shards.gather();
      group.barrier();
      EXPECT_EQ(base_memory().live - before, ranks == 1 ? bytes : 3 * bytes);
      group.barrier();
      shards.get();
      group.barrier();
      EXPECT_EQ(base_memory().live - before, ranks * bytes);
      group.barrier();
      shards.release();
      group.barrier();
      EXPECT_EQ(base_memory().live, before);
      group.barrier();
    });
  }
}

TEST(ShardGroup, CountsWhatIsAlive) {
  const Sizes sizes = {{4096, 8}};
  const int64_t before = base_memory().live, bytes = ShardGroup::packed_bytes(sizes, at::kFloat);
  auto rows = [&](size_t t, int64_t first, int64_t last) { return rows_of(sizes, t, first, last); };
  on_ranks(2, 1, [&](Collectives& ranks) {
    reset_base_memory_peak();
    ranks.barrier();
    ShardGroup group(sizes, at::kFloat, test_device(), {&ranks, false}, {}, rows);
    ranks.barrier();
    EXPECT_EQ(base_memory().live - before, bytes);  // both ranks are threads of this process
    ranks.barrier();
    group.get();
    ranks.barrier();
    EXPECT_EQ(base_memory().live - before, 3 * bytes);
    ranks.barrier();
    group.release();
    ranks.barrier();
    EXPECT_EQ(base_memory().live - before, bytes);
    EXPECT_EQ(base_memory().peak - before, 3 * bytes);
    ranks.barrier();
  });
  EXPECT_EQ(base_memory().live, before);
}

}  // namespace
}  // namespace apportion
