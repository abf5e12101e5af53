#include "tests/simulated/virtual_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace apportion {
namespace {

constexpr int64_t nanoseconds = 1'000'000'000;
constexpr int64_t start_s = 1'700'000'000;  // some date, for calendar clocks as well

std::atomic<bool> runs = false;
std::atomic<int64_t> passed = 0;  // nanoseconds

}  // namespace

VirtualClock::VirtualClock() {
  passed = 0;
  runs = true;
}
VirtualClock::~VirtualClock() { runs = false; }
double VirtualClock::now() { return static_cast<double>(passed) / nanoseconds; }
void VirtualClock::advance(double seconds) { passed += static_cast<int64_t>(seconds * nanoseconds); }

double VirtualClock::spent() {
  timespec time{};
  ::syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / nanoseconds;
}

}  // namespace apportion

// These replace the C library's.
extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using namespace apportion;
  if (!runs) return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  time->tv_sec = start_s + passed / nanoseconds;
  time->tv_nsec = passed % nanoseconds;
  return 0;
}

int nanosleep(const timespec* time, timespec* left) {
  using namespace apportion;
  if (!runs) return static_cast<int>(::syscall(SYS_nanosleep, time, left));
  passed += time->tv_sec * nanoseconds + time->tv_nsec;
  return 0;
}

}  // extern "C"
