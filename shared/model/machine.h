// The machines that a plan can be made for: peak, memory and links of one rank's device as vendors state
// them, and how much of that a program like this one gets (the coefficients, measured or assumed).
#pragma once

#include <string>
#include <vector>

namespace apportion {

struct Machine {
  std::string name;
  double peak_flops = 0;         // dense bfloat16, FLOP/s of one rank's device
  double float_flops = 0;        // float32: the head's logits and the adapters' gradients
  double memory_bytes = 0;       // per rank
  double memory_bandwidth = 0;   // bytes/s
  double link_bandwidth = 0;     // bytes/s of one rank to the others of its node, one direction
  double network_bandwidth = 0;  // bytes/s of one rank's share of its node's network, one direction
  int ranks_per_node = 1;
  std::string source;   // of the figures
  bool is_cpu = false;  // its ranks multiply bfloat16 in panels (RankLayout)
};

/// What a GPU has to launch per block, forward and backward: once for all micro-batches of a step when an
/// adapter is trained (otherwise for each). Counted on a pretended GPU (tests/bench/device_calls_study); the
/// seconds of a launch are assumed.
inline constexpr double block_launches = 39 + 59, launch_s = 5e-6;

/// Shares of the machine's figures that a step reaches, and fixed times. They come from a file that a scaling
/// study writes, or are the machine's defaults.
struct Coefficients {
  double matrix_efficiency = 0.4;     // of peak_flops and float_flops, in matrix products
  double attention_efficiency = 0.1;  // of peak_flops, in attention over all keys that blocks gather
  double memory_efficiency = 0.6;     // of memory_bandwidth, in operations element by element and in Adam
  double link_efficiency = 0.8;       // of link_bandwidth
  double network_efficiency = 0.8;    // of network_bandwidth
  double link_overlap = 1;            // share of a block's computing time that can hide transfers; 0: a CPU
                                      // rank's own thread copies
  double link_latency_s = 3e-6;       // per hop within a node
  double network_latency_s = 6e-6;    // per hop between nodes
  double block_overhead_s = block_launches * launch_s;  // per block, forward and backward
  double step_overhead_s = 2e-3;                        // per step: batch, losses, log
  double memory_scale = 1;                              // measured bytes over predicted ones
  double reserved_bytes = -1;  // per rank, besides tensors; below 0: as estimated by gpu_beside (memory.h)
  std::string source = "assumed, not measured";
};

/// All names, in the table's order.
std::vector<std::string> machine_names();

/// The machine called `name`. Throws UserError that names the nearest one and lists all.
const Machine& find_machine(const std::string& name);

/// What is assumed of a machine on which nothing was measured.
Coefficients default_coefficients(const Machine& machine);

/// A machine with its coefficients.
struct CalibratedMachine {
  Machine machine;
  Coefficients coefficients;
};

/// `text` is JSON: {"format": "apportion coefficients", "version": 1, "machine": NAME, "source": TEXT, and
/// any of Coefficients' and Machine's numbers by name}; numbers it leaves out are the machine's. Throws
/// UserError with `path`, the key, and what would be right; the machine must be `name`.
CalibratedMachine parse_coefficients(const std::string& text, const std::string& path,
                                     const std::string& name);

}  // namespace apportion
