// Prints what a training step and a depth of measuring ask a GPU to do (device_calls.h).
#include <cstdio>

#include "tests/bench/device_calls.h"

int main() {
  using namespace apportion::testing;
  std::printf("a training step, 2 blocks    micro-batches  host waits  launches\n");
  for (const StepCalls& step : count_steps()) {
    std::printf("%-28s %13d %11.1f %9.1f\n  waits: %s\n  launches: %s\n", step.what.c_str(),
                step.micro_batches, step.waits, step.launches, step.waited.c_str(), step.launched.c_str());
  }
  std::printf("\nlaunches of a block          micro-batches     forward  backward\n");
  for (const BlockCalls& block : count_blocks())
    std::printf("%42d %11.1f %9.1f\n", block.micro_batches, block.forward, block.backward);
  const DepthCalls depth = count_depth();
  std::printf("\na depth of measuring, 2 blocks: %.1f host waits (%s), %.1f launches\n", depth.waits,
              depth.waited.c_str(), depth.launches);
  return 0;
}
