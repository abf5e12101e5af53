// A pretend group: shapes, contents and seconds for one rank among many, and sizes beyond 2^31 elements.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parts.h"

namespace apportion {
namespace {

TEST(CollectivesPretend, ARankAmongAThousand) {
  auto group = make_pretend_collectives({777, 1024, 8, 1e9, 1e-6});
  EXPECT_EQ(group->size(), 1024);
  EXPECT_EQ(group->group_rank(), 777);
  EXPECT_EQ(group->node_ranks(), (std::vector<int>{776, 777, 778, 779, 780, 781, 782, 783}));
  const std::vector<int64_t> counts(1024, 3);
  const at::Tensor own = at::tensor({1.0F, 2.0F, 3.0F}), all = at::empty({3072});
  group->all_gather(own, all, counts);
  EXPECT_TRUE(at::equal(all, own.repeat({1024})));
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 1023 * 1e-6 + 1023 * 12 / 1e9);
  EXPECT_EQ(group->pretended_bytes(), 1023 * 12);
}

TEST(CollectivesPretend, PartsOfOtherLengthsRepeatOrCutItsOwn) {
  auto group = make_pretend_collectives({1, 3, 1, 1e9, 0});
  const at::Tensor own = at::tensor({7, 8}, at::kByte), all = at::empty({8}, at::kByte);
  group->all_gather(own, all, {1, 2, 5});
  EXPECT_TRUE(at::equal(all, at::tensor({7, 7, 8, 7, 8, 7, 8, 7}, at::kByte)));
  group->all_gather(at::empty({0}, at::kByte), all.narrow(0, 0, 3), {1, 0, 2});
  EXPECT_TRUE(at::equal(all.narrow(0, 0, 3), at::zeros({3}, at::kByte)));
}

TEST(CollectivesPretend, SumsAreItsOwnContribution) {
  auto group = make_pretend_collectives({1, 4, 1, 1e3, 0.5});
  const at::Tensor all = at::arange(8, at::kFloat), own = at::empty({2});
  group->reduce_scatter(all, own, {2, 2, 2, 2});
  EXPECT_TRUE(at::equal(own, at::tensor({2.0F, 3.0F})));
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 3 * 0.5 + 3 * 8 / 1e3);
  group->all_reduce(all);
  EXPECT_TRUE(at::equal(all, at::arange(8, at::kFloat)));
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 9 * 0.5 + (3 * 8 + 2 * 32 * 3 / 4.0) / 1e3);
}

TEST(CollectivesPretend, MoreThan31BitsOfElements) {
  constexpr int64_t part = (int64_t{1} << 31) + 5;
  auto group = make_pretend_collectives({2, 4, 4, 1e10, 0});
  const auto meta = at::TensorOptions(at::kMeta);
  const std::vector<int64_t> counts(4, part);
  group->all_gather(at::empty({part}, meta.dtype(at::kBFloat16)),
                    at::empty({4 * part}, meta.dtype(at::kBFloat16)), counts);
  EXPECT_EQ(group->pretended_bytes(), 3 * part * 2);
  group->reduce_scatter(at::empty({4 * part}, meta), at::empty({part}, meta), counts);
  EXPECT_EQ(group->pretended_bytes(), 3 * part * 2 + 3 * part * 4);
  EXPECT_NEAR(group->pretended_seconds(), static_cast<double>(3 * part * 6) / 1e10, 1e-9);
}

TEST(CollectivesPretend, TheOtherOperationsHaveTheirSeconds) {
  auto group = make_pretend_collectives({0, 5, 1, 1e3, 1});
  at::Tensor tensor = at::ones({10});
  group->broadcast(tensor, 3);
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 3 + 0.04);
  EXPECT_TRUE(at::equal(tensor, at::ones({10})));
  group->send(tensor, 1);
  group->receive(tensor, 1);
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 5 + 3 * 0.04);
  EXPECT_TRUE(at::equal(tensor, at::zeros({10})));
  group->barrier();
  EXPECT_DOUBLE_EQ(group->pretended_seconds(), 8 + 3 * 0.04);
  EXPECT_EQ(group->all_gather(std::vector<double>{4}), std::vector<double>(5, 4));
  EXPECT_EQ(group->allocate_shared(12).numel(), 12);
  EXPECT_THROW(group->send(tensor, 5), InternalError);
}

TEST(CollectivesPretend, AnAbortIsItsOwn) {
  auto group = make_pretend_collectives({1, 2, 1, 1e9, 0});
  group->abort("enough");
  try {
    group->barrier();
    ADD_FAILURE() << "a barrier after an abort";
  } catch (const RankError& error) {
    EXPECT_STREQ(error.what(), "barrier: rank 1 aborted: enough");
  }
}

TEST(CollectivesPretend, RefusesRanksThatAreNone) {
  EXPECT_THROW(make_pretend_collectives({4, 4, 1, 1e9, 0}), InternalError);
  EXPECT_THROW(make_pretend_collectives({0, 1, 1, 0, 0}), InternalError);
}

}  // namespace
}  // namespace apportion
