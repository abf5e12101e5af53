// Which GPU is chosen, without CUDA; only a run on a GPU shows whether CUDA sees one.
#include "worker/gpu/device_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

TEST(DeviceMap, RanksTakeTheGpusOfTheirNodeInOrder) {
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(gpu_index(rank, 4), rank);
  EXPECT_THAT(error_of([] { gpu_index(4, 4); }), HasSubstr("rank 4 of this node has no GPU of its own"));
  EXPECT_THAT(error_of([] { gpu_index(0, 0); }), HasSubstr("no GPU was found"));
}

TEST(DeviceMap, WhereOneIsVisibleItIsEveryRanksOwn) {
  EXPECT_EQ(gpu_index(0, 1), 0);
  EXPECT_EQ(gpu_index(7, 1), 0);
}

TEST(DeviceMap, TwoRanksOnOneGpuAreNamed) {
  const std::string one(16, '\x01'), two = std::string(15, '\0') + '\xff';
  check_gpu_uuids({one, two, "", ""});
  const std::string error = error_of([&] { check_gpu_uuids({one, two, "", two, one}); });
  EXPECT_THAT(error, HasSubstr("ranks 1 and 3 would both compute on "
                               "GPU-00000000-0000-0000-0000-0000000000ff: start one rank for each GPU"));
}

}  // namespace
}  // namespace apportion
