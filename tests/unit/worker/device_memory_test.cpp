// Kept host memory: given out again across threads, whole and aligned for every size, counted, bounded.
#include "worker/device_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <new>
#include <thread>
#include <vector>

namespace apportion {
namespace {

TEST(DeviceMemory, WhatOneThreadGivesBackAnotherGets) {
  keep_tensor_memory();
  const void* first = nullptr;
  std::thread([&] { first = at::empty({12345}, at::kFloat).data_ptr(); }).join();
  at::Tensor again = at::empty({12300}, at::kFloat);  // another size of the same class
  EXPECT_EQ(again.data_ptr(), first);
  EXPECT_NE(at::empty({12345}, at::kFloat).data_ptr(), first);
}

TEST(DeviceMemory, EverySizeIsAlignedWholeAndCounted) {
  keep_tensor_memory();
  std::vector<at::Tensor> alive;
  for (int64_t bytes : {0, 1, 255, 256, 257, 319, 320, 321, 511, 512, 513, 4097, 65536, 1000003}) {
    const int64_t before = tensor_memory().live;
    at::Tensor tensor = at::full({bytes}, 7, at::kByte);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data_ptr()) % 64, 0U) << bytes;
    const int64_t taken = tensor_memory().live - before;
    EXPECT_GE(taken, bytes);
    EXPECT_LE(taken, std::max<int64_t>(bytes * 5 / 4, bytes == 0 ? 0 : 256)) << bytes;
    alive.push_back(tensor);
  }
  for (const at::Tensor& tensor : alive) EXPECT_TRUE(tensor.eq(7).all().item<bool>()) << tensor.numel();
}

TEST(DeviceMemory, KeepsUntilItIsReleasedAndNotWithoutBound) {
  keep_tensor_memory();
  release_unused_memory();
  const TensorMemory start = tensor_memory();
  EXPECT_EQ(start.kept, 0);
  at::Tensor tensor = at::empty({1 << 20}, at::kByte);
  const int64_t live = tensor_memory().live;
  tensor.reset();
  EXPECT_EQ(tensor_memory().live, start.live);
  EXPECT_EQ(tensor_memory().kept, live - start.live);
  release_unused_memory();
  EXPECT_EQ(tensor_memory().kept, 0);
  at::empty({int64_t{3} << 30}, at::kByte).reset();  // untouched, so nothing is mapped
  EXPECT_EQ(tensor_memory().kept, 0);
}

TEST(DeviceMemory, MoreThanThereIsIsBadAlloc) {
  keep_tensor_memory();
  const int64_t before = tensor_memory().live;
  EXPECT_THROW(at::empty({int64_t{1} << 50}, at::kByte), std::bad_alloc);
  EXPECT_EQ(tensor_memory().live, before);
}

}  // namespace
}  // namespace apportion
