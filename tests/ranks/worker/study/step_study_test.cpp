// Timed steps of a tiny shape on several ranks that hold its base together: every rank times the same steps
// holding its part of the base, and again holding all of it.
#include "worker/study/step_study.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "shared/model/memory.h"
#include "shared/model_files/shape_text.h"
#include "tests/support/mpi_main.h"
#include "tests/support/worker/test_device.h"

namespace apportion {
namespace {

LoraConfig on_all_blocks() {
  LoraConfig lora;
  lora.layers = 1;
  return lora;
}

TEST(StepStudy, MeasuresAShardedBaseOnEveryRank) {
  const int ranks = test_ranks().size();
  std::vector<int> world(static_cast<size_t>(ranks));
  std::iota(world.begin(), world.end(), 0);
  ScaleConfig config;
  config.tokens = 152;
  RanksConfig layout;
  layout.node_sharing = false;  // as if every rank were a node: blocks are gathered
  layout.resident = Residence::never;
  layout.timeout_s = 50;
  const StepStudy study{parse_shape("shape:layers=6,width=64,heads=2,ffn=96,vocabulary=512,context=256"),
                        study_tree(config),
                        ranks,
                        2,
                        at::kFloat,
                        RankDevice{test_device(), ranks},
                        on_all_blocks(),
                        layout};
  auto group = make_mpi_collectives(world, 2, 50);
  const StepSample sample = measure_steps(study, *group, world, [](const StepReport&) {});
  EXPECT_EQ(sample.seconds.size(), 2u);
  EXPECT_EQ(sample.resident_seconds.size(), 2u);
  EXPECT_EQ(sample.tokens, static_cast<double>(ranks * study.tree.tokens()));
  // Gathered blocks take less than the parts held elsewhere: a sharded base needs less than a whole one.
  const double whole = 4.0 * static_cast<double>(study.shape.parameters());
  if (ranks == 1) {
    EXPECT_NEAR(sample.base_bytes, whole, 0.05 * whole);
  } else {
    EXPECT_LT(sample.base_bytes, 0.95 * whole);
    EXPECT_GE(sample.base_bytes, whole / ranks * 0.95);
    EXPECT_NE(sample.resident_seconds, sample.seconds);
  }
}

/// The high-water mark of the base in a step, by the memory model: the parts, and what is gathered in
/// passing. Norms and the head's copy in the compute type do not count as base.
double predicted_base(const StepStudy& study, int ranks) {
  const ModelShape& shape = study.shape;
  RankLayout layout;
  layout.ranks = layout.shard_size = ranks;
  layout.compute_bytes = 4;
  layout.base = study.base.type;
  layout.place = study.base.place;
  const RankMemory memory = rank_memory(shape, study.lora, study.tree.load(1), layout);
  const double norms = 4.0 * static_cast<double>((2 * shape.layers + 1) * shape.width);
  const double chunks =
      layout.is_passing() ? 2.0 * 4 * static_cast<double>(chunk_rows(shape) * shape.width) : 0;
  return memory.base - norms + memory.embedding + std::max(memory.gathered, chunks);
}

TEST(StepStudy, HoldsWhatTheMemoryModelSaysHoweverTheBaseIsKept) {
  const int ranks = test_ranks().size();
  std::vector<int> world(static_cast<size_t>(ranks));
  std::iota(world.begin(), world.end(), 0);
  ScaleConfig config;
  config.tokens = 152;
  RanksConfig layout;
  layout.node_sharing = false;
  layout.resident = Residence::never;
  layout.timeout_s = 50;
  int tag = 3;
  for (BaseType type : {BaseType::compute, BaseType::int8, BaseType::q4}) {
    for (BasePlace place : {BasePlace::memory, BasePlace::file}) {
      const StepStudy study{parse_shape("shape:layers=6,width=64,heads=2,ffn=96,vocabulary=512,context=256"),
                            study_tree(config),
                            ranks,
                            1,
                            at::kFloat,
                            RankDevice{test_device(), ranks},
                            on_all_blocks(),
                            layout,
                            {type, place}};
      auto group = make_mpi_collectives(world, tag++, 50);
      const StepSample sample = measure_steps(study, *group, world, [](const StepReport&) {});
      EXPECT_NEAR(sample.base_bytes / predicted_base(study, ranks), 1, 0.05)
          << static_cast<int>(type) << ", " << static_cast<int>(place);
    }
  }
}

}  // namespace
}  // namespace apportion
