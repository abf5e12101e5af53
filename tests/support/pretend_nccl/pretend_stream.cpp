#include "tests/support/pretend_nccl/pretend_stream.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "worker/gpu/stream.h"

namespace apportion {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto longest_end = std::chrono::seconds(10);

/// A point in a stream.
struct Point {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_reached = false;

  void reach() {
    std::lock_guard lock(mutex);
    is_reached = true;
    changed.notify_all();
  }
  bool look() {
    std::lock_guard lock(mutex);
    return is_reached;
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return is_reached; });
  }
};

std::shared_ptr<Point> mark(PretendStream& stream) {
  auto point = std::make_shared<Point>();
  stream.put([point] { point->reach(); });
  return point;
}

struct Registry {
  std::mutex mutex;
  std::vector<std::shared_ptr<PretendStream>> streams;
  std::vector<std::string> faults;
};
Registry& registry() {
  static auto* all = new Registry;  // threads may outlive statics
  return *all;
}

thread_local std::shared_ptr<PretendStream> current;

std::shared_ptr<PretendStream> stream_of(int64_t number) {
  std::lock_guard lock(registry().mutex);
  return registry().streams.at(static_cast<size_t>(number));
}

GpuStream gpu_stream_of(const PretendStream* stream) {
  std::lock_guard lock(registry().mutex);
  const auto& all = registry().streams;
  for (size_t number = 0; number < all.size(); ++number) {
    if (all[number].get() == stream) {
      return GpuStream(
          c10::Stream(c10::Stream::UNSAFE, c10::Device(c10::kCPU), static_cast<c10::StreamId>(number)));
    }
  }
  throw std::logic_error("this thread has no stream: become_pretend_gpu() comes first");
}

/// Memory as LibTorch's GPU allocator handles it: freed memory can be reused at once by the next work on the
/// stream that it was made on, and waits only for recorded streams. Here the next work writes noise.
class PretendMemory final : public c10::Allocator {
 public:
  static PretendMemory& instance() {
    static auto* memory = new PretendMemory;
    return *memory;
  }

  c10::DataPtr allocate(size_t bytes) override {
    auto* block = new Block{c10::alloc_cpu(bytes), bytes, current, {}};
    return {block->data, block, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

  static void record(const at::DataPtr& data, std::shared_ptr<PretendStream> stream) {
    if (data.get_deleter() == &release)
      static_cast<Block*>(data.get_context())->users.push_back(std::move(stream));
  }

  void forget_all() {
    std::lock_guard lock(mutex_);
    while (!pending_.empty()) drop_oldest();
  }

 private:
  struct Block {
    void* data;
    size_t bytes;
    std::shared_ptr<PretendStream> stream;
    std::vector<std::shared_ptr<PretendStream>> users;
  };
  struct Freed {
    Block* block;
    std::vector<std::shared_ptr<Point>> points;
    bool is_noise;
  };

  PretendMemory() {
    std::thread([this] {
      while (true) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        look();
      }
    }).detach();
  }

  static void release(void* context) {
    auto* block = static_cast<Block*>(context);
    if (!block->stream) {
      c10::free_cpu(block->data);
      delete block;
      return;
    }
    Freed freed{block, {mark(*block->stream)}, false};
    for (const auto& user : block->users) freed.points.push_back(mark(*user));
    std::lock_guard lock(instance().mutex_);
    instance().pending_.push_back(std::move(freed));
  }

  void look() {
    std::lock_guard lock(mutex_);
    size_t kept = 0;
    for (Freed& freed : pending_) {
      bool is_free = true;
      for (const auto& point : freed.points) is_free &= point->look();
      if (is_free && !freed.is_noise) {
        std::memset(freed.block->data, 0xAB, freed.block->bytes);
        freed.is_noise = true;
      }
      kept += freed.block->bytes;
    }
    constexpr size_t most_kept = size_t{128} << 20;  // beyond that, a faulty read may hit unmapped memory
    for (; kept > most_kept && pending_.front().is_noise; drop_oldest())
      kept -= pending_.front().block->bytes;
  }

  void drop_oldest() {
    c10::free_cpu(pending_.front().block->data);
    delete pending_.front().block;
    pending_.pop_front();
  }

  std::mutex mutex_;
  std::deque<Freed> pending_;
};

}  // namespace

void note_pretend_fault(const std::string& text) {
  std::lock_guard lock(registry().mutex);
  registry().faults.push_back(text);
}

std::vector<std::string> take_pretend_faults() {
  std::lock_guard lock(registry().mutex);
  return std::exchange(registry().faults, {});
}

PretendStream::PretendStream() : lateness_(reinterpret_cast<uintptr_t>(this)), thread_([this] { run(); }) {}

PretendStream::~PretendStream() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void PretendStream::put(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  changed_.notify_all();
}

bool PretendStream::is_idle() {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !is_busy_;
}

void PretendStream::run() {
  at::set_num_threads(1);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (is_ending_) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    is_busy_ = true;
    lock.unlock();
    dawdle();
    work();
    work = nullptr;
    lock.lock();
    is_busy_ = false;
  }
}

/// Waits mostly a moment, sometimes long enough for any thread to overtake.
void PretendStream::dawdle() {
  lateness_ = lateness_ * 6364136223846793005ULL + 1442695040888963407ULL;
  const auto number = lateness_ >> 40;
  if (number % 64 == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  } else if (number % 8 == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  } else {
    std::this_thread::yield();
  }
}

std::shared_ptr<PretendStream> make_pretend_stream() {
  auto stream = std::make_shared<PretendStream>();
  std::lock_guard lock(registry().mutex);
  registry().streams.push_back(stream);
  return stream;
}

void use_pretend_memory() {
  constexpr uint8_t above_the_default = 1;
  c10::SetCPUAllocator(&PretendMemory::instance(), above_the_default);
}

void become_pretend_gpu() { current = make_pretend_stream(); }

void finish_pretend_streams() {
  std::vector<std::shared_ptr<PretendStream>> streams;
  {
    std::lock_guard lock(registry().mutex);
    streams = registry().streams;
  }
  const auto end = Clock::now() + longest_end;
  bool all_idle = false;
  while (!all_idle && Clock::now() < end) {
    all_idle = true;
    for (const auto& stream : streams) all_idle &= stream->is_idle();
    if (!all_idle) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  if (!all_idle) {
    note_pretend_fault("a stream does not come to its end");
    static auto* stuck = new std::vector<std::shared_ptr<PretendStream>>;
    stuck->insert(stuck->end(), streams.begin(), streams.end());  // stuck threads cannot be joined
  }
  current = nullptr;
  {
    std::lock_guard lock(registry().mutex);
    registry().streams.clear();
  }
  streams.clear();
  if (all_idle) PretendMemory::instance().forget_all();
}

// worker/gpu/stream.h

GpuStream GpuStream::from_pool() { return gpu_stream_of(make_pretend_stream().get()); }
GpuStream GpuStream::current() { return gpu_stream_of(apportion::current.get()); }
CUstream_st* GpuStream::handle() const {
  return reinterpret_cast<CUstream_st*>(stream_of(stream_.id()).get());
}

struct GpuStreamGuard::Guard {
  std::shared_ptr<PretendStream> before;
};
GpuStreamGuard::GpuStreamGuard(const GpuStream& stream)
    : guard_(new Guard{std::exchange(apportion::current, stream_of(stream.torch().id()))}) {}
GpuStreamGuard::~GpuStreamGuard() { apportion::current = guard_->before; }

struct GpuMark::Event {
  std::shared_ptr<Point> point;
};
GpuMark::GpuMark(const GpuStream& stream) : event_(new Event{mark(*stream_of(stream.torch().id()))}) {}
GpuMark::~GpuMark() = default;
bool GpuMark::reached() const { return event_->point->look(); }
void GpuMark::hold(const GpuStream& stream) const {
  stream_of(stream.torch().id())->put([point = event_->point] { point->wait(); });
}

bool is_on_gpu(const at::Tensor& tensor) { return tensor.is_cpu(); }

void keep_memory_for(const at::Tensor& tensor, const GpuStream& stream) {
  if (tensor.numel() > 0) PretendMemory::record(tensor.storage().data_ptr(), stream_of(stream.torch().id()));
}

/// Like kernels, the stream works on memory addresses and holds no tensor.
void put_in_stream(const std::vector<at::Tensor>& tensors,
                   const std::function<void(const std::vector<at::Tensor>&)>& work) {
  std::vector<at::Tensor> places;
  for (const at::Tensor& tensor : tensors)
    places.push_back(at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                                   at::TensorOptions(tensor.dtype())));
  apportion::current->put([places, work] { work(places); });
}

}  // namespace apportion
