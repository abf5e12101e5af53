// How long many rounds will take, told before they are drawn from a few rounds of one prompt.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/sample/answer_tree.h"

namespace apportion {

/// What a few rounds of a prompt showed.
struct RoundsTried {
  uint64_t rounds = 0;
  int64_t nodes = 0;   // that they came to
  int64_t once = 0;    // of these, that one round came to
  int64_t tokens = 0;  // that went through the model
  double seconds = 0;
};

/// Nodes that `rounds` rounds come to: as many more for a round more as the last of the tried ones found
/// (nodes that came once, of all), and at most `depths` for each.
double nodes_of_rounds(const RoundsTried& tried, uint64_t rounds, int depths);

/// Tries 256 rounds of this rank's first prompt. Collective over `ranks`, as measure_units is.
RoundsTried try_rounds(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                       Collectives& ranks);

/// Seconds that this rank's units will take: of each prompt what the tried one had beside its rounds (itself,
/// its expansion), and the nodes of its rounds.
double seconds_of_rounds(const RoundsTried& tried, const std::vector<std::vector<MeasurePrompt>>& units,
                         int depths);

}  // namespace apportion
