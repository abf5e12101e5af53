#include "coordinator/folder/watch.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "shared/base/clock.h"
#include "shared/link/interrupt.h"

namespace apportion {

int watch(const std::function<bool()>& look) {
  constexpr std::chrono::milliseconds nap(100);
  constexpr double most_looking = 0.2;  // of the time, since others also read a folder of thousands of tasks
  install_interrupt_handler();
  while (!asked_to_stop()) {
    const double began = seconds_now();
    if (!look()) return 0;
    const double looked = seconds_now();
    const double next = looked + std::max<double>(watch_pause_s, (looked - began) / most_looking);
    while (!asked_to_stop() && seconds_now() < next) std::this_thread::sleep_for(nap);
  }
  return interrupt_exit_code;
}

}  // namespace apportion
