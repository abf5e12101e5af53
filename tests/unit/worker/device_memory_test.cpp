// Cached host memory: reused across threads, complete and aligned for every size, counted, bounded.
#include "worker/device_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
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
  at::empty({int64_t{3} << 30}, at::kByte).reset();  // not touched, so nothing is mapped
  EXPECT_EQ(tensor_memory().kept, 0);
}

TEST(DeviceMemory, MoreThanThereIsSaysHowMuch) {
  keep_tensor_memory();
  const int64_t before = tensor_memory().live;
  std::string what = "nothing was thrown";
  try {
    at::empty({int64_t{1} << 50}, at::kByte);
  } catch (const std::bad_alloc& error) {
    what = memory_shortage(error);
  }
  EXPECT_EQ(what.find("out of memory: 1073741824.0 MiB for a tensor could not be allocated on top of "), 0U)
      << what;
  EXPECT_EQ(tensor_memory().live, before);
}

TEST(DeviceMemory, ShortageIsToldWhoeverMeetsIt) {
  const auto words = [](const std::exception& error) {
    const std::string text = memory_shortage(error);
    return text.substr(0, text.find(" could not be allocated"));
  };
  EXPECT_EQ(words(std::bad_alloc()), "out of memory: an object of the program");
  EXPECT_EQ(words(std::system_error(EAGAIN, std::generic_category())), "out of memory: a thread's stack");
  EXPECT_EQ(
      words(std::runtime_error("[enforce fail at alloc_cpu.cpp:129] err == 0. DefaultCPUAllocator: can't "
                               "allocate memory: you tried to allocate 64 bytes. Error code 12")),
      "out of memory: a buffer of LibTorch's");
  EXPECT_EQ(memory_shortage(std::system_error(ENOENT, std::generic_category())), "");
  EXPECT_EQ(memory_shortage(std::runtime_error("DefaultCPUAllocator: something else")), "");
}

TEST(DeviceMemory, LargeBlocksAreMappedWhateverWasFreedBefore) {
  map_large_blocks();
  std::vector<char>(20 << 20);  // freeing this would otherwise raise glibc's threshold
  const size_t before = mallinfo2().hblks;
  const auto block = std::make_unique<std::array<char, 1 << 20>>();
  EXPECT_EQ(mallinfo2().hblks, before + 1);
}

}  // namespace
}  // namespace apportion
