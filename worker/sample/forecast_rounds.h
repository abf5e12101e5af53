// Forecasts how long many rounds will take, from a few rounds of a few prompts.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/parallel/collectives.h"
#include "worker/sample/answer_tree.h"
#include "worker/sample/measure_units.h"

namespace apportion {

/// What a few rounds cost.
struct RoundsTried {
  uint64_t rounds = 0;  // of each prompt
  int64_t prompts = 0;
  int64_t nodes = 0;   // evaluated for the rounds, besides the prompts and their expansions
  int64_t once = 0;    // of these, reached by only one round
  int64_t tokens = 0;  // that went through the model, these nodes among them
  double seconds = 0;
};

/// Nodes that `rounds` rounds of a prompt need besides its expansion: they grow with the rounds as they did
/// at the last of the tried ones (by the share of nodes reached only once), to at most `depths` for each
/// round.
double nodes_of_rounds(const RoundsTried& tried, uint64_t rounds, int depths);

/// Tries 256 rounds of a prompt for each of this rank's units that will be measured at a time and, unless
/// these already come to more nodes than rounds, of all prompts in its first unit: where few rounds leave the
/// expansion, one prompt shows none of them. Collective over `ranks`, with the memory and the stop of
/// `together`, like measure_units.
RoundsTried try_rounds(const MeasureTools& tools, const std::vector<std::vector<MeasurePrompt>>& units,
                       Collectives& ranks, const UnitsTogether& together = {});

/// Seconds that this rank's units will take. Each prompt counts what a tried one needed apart from its rounds
/// (the prompt itself and its expansion), plus the nodes of its own rounds.
double seconds_of_rounds(const RoundsTried& tried, const std::vector<std::vector<MeasurePrompt>>& units,
                         int depths);

}  // namespace apportion
