// Step times: sums worked out by hand for a machine with round figures, and how communication hides behind
// computing.
#include "shared/model/step_time.h"

#include <gtest/gtest.h>

#include "shared/model/cost.h"
#include "shared/model_files/shape_text.h"

namespace apportion {
namespace {

/// A machine that reaches its peaks and has no latency, so that a step is only FLOPs and bytes.
CalibratedMachine ideal() {
  CalibratedMachine result{find_machine("h100-80"), {}};
  result.machine.peak_flops = result.machine.float_flops = 1e15;
  result.machine.memory_bandwidth = 1e18;
  result.machine.link_bandwidth = 1e11;
  result.machine.network_bandwidth = 1e10;
  Coefficients& c = result.coefficients;
  c.matrix_efficiency = c.attention_efficiency = c.memory_efficiency = c.link_efficiency =
      c.network_efficiency = 1;
  c.link_latency_s = c.network_latency_s = c.block_overhead_s = c.step_overhead_s = 0;
  return result;
}

const ModelShape shape = parse_shape("shape:8b");

/// Rows that attend only to themselves: attention costs what a block's 32 neighbours do.
StepLoad load() {
  StepLoad load;
  load.tokens = 4096;
  load.path = 64;
  load.vocabulary_rows = 1024;
  return load;
}

RankLayout layout_of(int64_t ranks, int64_t shard_size) {
  RankLayout layout;
  layout.ranks = ranks;
  layout.shard_size = shard_size;
  return layout;
}

TEST(StepTime, AnIdealMachineTakesTheFlopsOverItsPeak) {
  StepTime time = step_time(shape, {}, load(), layout_of(1, 1), ideal());
  // What attention computes and masks away: 96 keys per row, of which 64 count.
  const double masked = train_flops(shape, 0, {0, 4096 * 32, 0});
  EXPECT_NEAR(time.total(), (time.flops + masked) / 1e15, 1e-4 * time.total());
  EXPECT_DOUBLE_EQ(time.flops, train_flops(shape, adapter_parameters(shape, {}), {4096, 4096 * 64, 1024}));
  EXPECT_EQ(time.exposed, 0);
  EXPECT_EQ(time.gradient_sum, 0);
}

TEST(StepTime, LogitsAreFloat32AndOnACpuAdaptersGradients) {
  for (bool is_cpu : {false, true}) {
    CalibratedMachine machine = ideal();
    machine.machine.is_cpu = is_cpu;
    RankLayout layout = layout_of(1, 1);
    layout.joined = !is_cpu;
    const StepTime equal = step_time(shape, {}, load(), layout, machine);
    machine.machine.float_flops = 1e14;
    const StepTime slow = step_time(shape, {}, load(), layout, machine);
    const double adapters = 2 * 4096 * static_cast<double>(adapter_parameters(shape, {}));
    const double flops = (is_cpu ? adapters : 0) + forward_flops(shape, 0, {0, 0, 1024});
    EXPECT_NEAR(slow.compute - equal.compute, flops * (1e-14 - 1e-15), 1e-6);
  }
}

TEST(StepTime, InPanelsAdaptersGradientsAreNotAndACpusAdamWIsOnePass) {
  CalibratedMachine cpu = ideal();
  cpu.machine.is_cpu = true;
  cpu.machine.float_flops = 1e12;
  RankLayout plain = layout_of(1, 1), panels = plain;
  panels.panels = true;
  auto total = [&](const RankLayout& layout, const CalibratedMachine& machine) {
    return step_time(shape, {}, load(), layout, machine).total();
  };
  const double adapters = 2 * 4096.0 * static_cast<double>(adapter_parameters(shape, {}));
  EXPECT_NEAR(total(plain, cpu) - total(panels, cpu), adapters / 1e12 - adapters / 1e15, 1e-4);
  cpu.machine.memory_bandwidth = 1e11;
  CalibratedMachine gpu = cpu;
  gpu.machine.is_cpu = false;
  const double passes = 6 * 4 * static_cast<double>(adapter_parameters(shape, {})) / 1e11;
  EXPECT_NEAR(total(panels, gpu) - total(panels, cpu), passes, 1e-6);
}

// A GPU has the launches of one pass for any number of micro-batches; when all weights are trained each
// micro-batch has its own.
TEST(StepTime, LaunchesAreSharedByMicroBatches) {
  auto overhead = [](int64_t micro_batches, Tuning tuning) {
    CalibratedMachine none = ideal(), some = none;
    some.coefficients.block_overhead_s = 1e-3;
    StepLoad batches = load();
    batches.micro_batches = micro_batches;
    RankLayout layout = layout_of(1, 1);
    layout.tuning = tuning;
    layout.joined = true;
    return step_time(shape, {}, batches, layout, some).total() -
           step_time(shape, {}, batches, layout, none).total();
  };
  const auto blocks = static_cast<double>(shape.layers);
  EXPECT_NEAR(overhead(1, Tuning::adapter), 1e-3 * blocks, 1e-9);
  EXPECT_NEAR(overhead(4, Tuning::adapter), 1e-3 * blocks, 1e-9);
  EXPECT_NEAR(overhead(4, Tuning::full), 4e-3 * blocks, 1e-9);
}

TEST(StepTime, FullTuningComputesTheWeightsGradientsToo) {
  RankLayout full = layout_of(1, 1);
  full.tuning = Tuning::full;
  const double base = forward_flops(shape, 0, {4096, 0, 1024}),
               attention = train_flops(shape, 0, {0, 4096 * 64, 0});
  EXPECT_DOUBLE_EQ(step_time(shape, {}, load(), full, ideal()).flops, 3 * base + attention);
}

TEST(StepTime, RecomputingCostsAForwardPassOfTheBlocks) {
  RankLayout again = layout_of(1, 1);
  again.recompute = Recompute::always;
  const StepTime once = step_time(shape, {}, load(), layout_of(1, 1), ideal()),
                 twice = step_time(shape, {}, load(), again, ideal());
  const double forward = forward_flops(shape, adapter_parameters(shape, {}), {4096, 4096 * 96, 0}) / 1e15;
  EXPECT_NEAR(twice.compute - once.compute, forward, 1e-4 * forward);
  EXPECT_EQ(twice.flops, once.flops);
}

TEST(StepTime, AGatherIsARingInTheNodeAndOneBetweenNodes) {
  const CalibratedMachine machine = ideal();
  EXPECT_EQ(gather_seconds(8e9, 1, machine), 0);
  EXPECT_DOUBLE_EQ(gather_seconds(8e9, 8, machine), 8e9 * 7 / 8 / 1e11);
  // Two nodes: half comes from the other one, over the network of eight ranks.
  EXPECT_DOUBLE_EQ(gather_seconds(8e9, 16, machine), 8e9 * 7 / 8 / 1e11);
  CalibratedMachine slow = machine;
  slow.machine.network_bandwidth = 1e9;
  EXPECT_DOUBLE_EQ(gather_seconds(8e9, 16, slow), 8e9 / 2 / 8e9);
  CalibratedMachine late = machine;
  late.coefficients.link_latency_s = 1e-3;
  late.coefficients.network_latency_s = 1;
  EXPECT_DOUBLE_EQ(gather_seconds(0, 32, late), 7e-3 + 3);
}

TEST(StepTime, GathersHideBehindEnoughComputing) {
  CalibratedMachine machine = ideal();
  machine.machine.link_bandwidth = 1e12;
  const StepTime hidden = step_time(shape, {}, load(), layout_of(8, 8), machine);
  EXPECT_LT(hidden.exposed, 0.2 * hidden.compute);
  EXPECT_GT(hidden.exposed, 0);  // the first block and the look-up
  machine.machine.link_bandwidth = 1e9;
  const StepTime exposed = step_time(shape, {}, load(), layout_of(8, 8), machine);
  // Now transfers dominate a step: each block twice, less what is computed meanwhile.
  const double transfers = 2 * 34 * gather_seconds(218'103'808.0 * 2, 8, machine);
  EXPECT_GT(exposed.exposed + exposed.compute, transfers);
  EXPECT_LT(exposed.exposed, 1.5 * transfers);
}

TEST(StepTime, NothingHidesWhatTheComputingThreadCopies) {
  CalibratedMachine machine = ideal();
  const double hidden = step_time(shape, {}, load(), layout_of(8, 8), machine).exposed;
  machine.coefficients.link_overlap = 0;
  // Each block twice, and the chunks of embedding and head in float32 three times.
  const double blocks = 2 * 32 * gather_seconds(218'103'808.0 * 2, 8, machine);
  const double exposed = step_time(shape, {}, load(), layout_of(8, 8), machine).exposed;
  EXPECT_GT(exposed, blocks);
  EXPECT_LT(exposed, 1.5 * blocks);
  EXPECT_LT(hidden, 0.7 * exposed);
}

TEST(StepTime, AdaptersAreSummedInLevelsAndMicroBatchesOneAfterTheOther) {
  const double bytes = 4.0 * static_cast<double>(adapter_parameters(shape, {}));
  EXPECT_NEAR(step_time(shape, {}, load(), layout_of(8, 1), ideal()).gradient_sum, 4 * bytes / 1e11, 1e-9);
  EXPECT_NEAR(step_time(shape, {}, load(), layout_of(1024, 1), ideal()).gradient_sum, 11 * bytes / 1e10,
              1e-9);
  StepLoad three = load();
  three.micro_batches = 3;
  const StepTime one = step_time(shape, {}, load(), layout_of(1, 1), ideal()),
                 all = step_time(shape, {}, three, layout_of(1, 1), ideal());
  EXPECT_NEAR(all.compute, 3 * one.compute, 1e-9);
  EXPECT_DOUBLE_EQ(all.flops, 3 * one.flops);
}

TEST(StepTime, MicroBatchesShareTheirGathers) {
  CalibratedMachine slow = ideal();
  slow.machine.link_bandwidth = 1e9;
  StepLoad three = load();
  three.micro_batches = 3;
  const StepTime one = step_time(shape, {}, load(), layout_of(8, 8), slow),
                 all = step_time(shape, {}, three, layout_of(8, 8), slow);
  EXPECT_LT(all.exposed, one.exposed);
}

}  // namespace
}  // namespace apportion
