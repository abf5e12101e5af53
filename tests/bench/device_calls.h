// What a training step and a depth of measuring ask of a GPU, counted on the pretended one
// (tests/support/pretend_gpu) with a tiny model. Of a model's size, only the number of blocks changes these
// figures. device_calls_study prints them, unit_worker_pretend checks them against their limits.
#pragma once

#include <string>
#include <vector>

namespace apportion::testing {

/// One training step of a model with two blocks, as the mean of several.
struct StepCalls {
  std::string what;  // "stage 1, Muon"
  int micro_batches = 0;
  double waits = 0, launches = 0;
  std::string waited, launched;  // what for and by which operators, most first
};
std::vector<StepCalls> count_steps();

/// Launches of one block in each direction.
struct BlockCalls {
  int micro_batches = 0;
  double forward = 0, backward = 0;
};
std::vector<BlockCalls> count_blocks();

/// One depth of measuring: the tokens at one position in all answers of a unit.
struct DepthCalls {
  double waits = 0, launches = 0;
  std::string waited;
};
DepthCalls count_depth();

}  // namespace apportion::testing
