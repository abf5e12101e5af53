// The memory model against sums worked out by hand, and how its parts change with ranks, types and what is
// trained. tests/unit/worker/models/llama_test.cpp compares it with what the worker really keeps.
#include "shared/model/memory.h"

#include <gtest/gtest.h>

#include "shared/base/memory_limits.h"
#include "shared/model_files/shape_text.h"

namespace apportion {
namespace {

const ModelShape shape = parse_shape("shape:llama-3.1-8b");
constexpr double block = 218'103'808;  // linear weights of one block
constexpr double table = 128256.0 * 4096;

StepLoad load() {
  StepLoad load;
  load.tokens = 2048;
  load.path = 256;
  load.vocabulary_rows = 512;
  return load;
}

RankLayout shards(int64_t ranks) {
  RankLayout layout;
  layout.ranks = layout.shard_size = ranks;
  return layout;
}

TEST(Memory, AdapterParametersAreThoseOfTheMatrices) {
  // r (inputs + outputs): q and o 8192, k and v 5120, gate, up and down 18432; 32 layers of rank 32.
  EXPECT_EQ(adapter_parameters(shape, {}), 32 * 32 * (2 * 8192 + 2 * 5120 + 3 * 18432));
  LoraConfig queries;
  queries.rank = 4;
  queries.targets = {"q_proj"};
  EXPECT_EQ(adapter_parameters(shape, queries), 32 * 4 * 8192);
}

TEST(Memory, AFrozenBaseIsSharedOutWithTwoBlocksInFlight) {
  const double norms = 4 * 65 * 4096;
  for (int64_t ranks : {2, 8, 1024}) {
    const RankMemory memory = rank_memory(shape, {}, load(), shards(ranks));
    EXPECT_NEAR(memory.base, 32 * block * 2 / static_cast<double>(ranks) + norms, 1);
    EXPECT_EQ(memory.gathered, 2 * block * 2);
    EXPECT_NEAR(memory.embedding, 2 * table * 4 / static_cast<double>(ranks), 1);
  }
}

TEST(Memory, AResidentBaseGathersNothingAndKeepsTheHeadTwice) {
  const RankMemory memory = rank_memory(shape, {}, load(), shards(1));
  EXPECT_EQ(memory.gathered, 0);
  EXPECT_EQ(memory.embedding, 2 * table * 4 + table * 2);
  ModelShape tied = shape;
  tied.tied_embedding = true;
  EXPECT_EQ(rank_memory(tied, {}, load(), shards(1)).embedding, table * 4 + table * 2);
}

TEST(Memory, PanelsCopyNoKeysAndTakeMicroBatchesTogether) {
  StepLoad four = load();
  four.micro_batches = 4;
  four.lanes = 2;
  RankLayout plain = shards(1), panels = plain;
  panels.panels = true;
  const RankMemory before = rank_memory(shape, {}, four, plain), after = rank_memory(shape, {}, four, panels);
  // A block of 32 queries has copies of 288 keys and values of 8 heads of 128: nine per token, now one.
  const double copies = 32 * 4 * 2048.0 * (9 - 1) * 2 * 2 * 8 * 128;
  const double plan = 4 * 2048.0 * (288 * (4 + 0.5) + 4 * 128);
  EXPECT_NEAR(after.activations, before.activations - copies + plan, 1);
  // The workspace holds four micro-batches instead of two: gates and the residual's gradient.
  EXPECT_NEAR(after.workspace, 4 * 2048.0 * (2 * 2 * 14336 + 4 * 4096), 1);
  panels.tuning = plain.tuning = Tuning::full;  // its micro-batches go one by one
  EXPECT_NEAR(rank_memory(shape, {}, four, panels).workspace, 2 * 2048.0 * (2 * 2 * 14336 + 4 * 4096), 1);
}

TEST(Memory, PackedBasesAreSmallerAndUnpackedOnArrival) {
  RankLayout layout = shards(8);
  for (auto [type, bytes] : {std::pair(BaseType::int8, 34.0 / 32), std::pair(BaseType::q4, 20.0 / 32)}) {
    layout.base = type;
    const RankMemory memory = rank_memory(shape, {}, load(), layout);
    EXPECT_NEAR(memory.base, 4 * block * bytes + 4 * 65 * 4096, 1);
    EXPECT_EQ(memory.gathered, 2 * block * bytes + block * 2);
  }
}

TEST(Memory, ABaseLeftInItsFileIsTheBlocksInUse) {
  RankLayout layout = shards(8);
  layout.place = BasePlace::file;
  const double norms = 4 * 65 * 4096;
  const RankMemory memory = rank_memory(shape, {}, load(), layout);
  EXPECT_EQ(memory.base, norms);
  EXPECT_EQ(memory.embedding, 0);
  EXPECT_EQ(memory.gathered, 2 * block * 2 + block * 2 / 8);
  layout.shard_size = 1;
  const RankMemory alone = rank_memory(shape, {}, load(), layout);
  EXPECT_EQ(alone.gathered, 2 * block * 2);
  EXPECT_EQ(alone.vocabulary, memory.vocabulary);
  layout.base = BaseType::q4;
  EXPECT_EQ(rank_memory(shape, {}, load(), layout).gathered, 2 * block * 20 / 32 + block * 2);
}

TEST(Memory, FullTuningSharesOutMastersMomentsAndGradients) {
  RankLayout layout = shards(16);
  layout.tuning = Tuning::full;
  const RankMemory memory = rank_memory(shape, {}, load(), layout);
  EXPECT_NEAR(memory.base, 32 * block * 4 / 16 + 4 * 65 * 4096, 1);
  EXPECT_NEAR(memory.trained, 12 * 8'030'261'248.0 / 16, 1);
  EXPECT_EQ(memory.gathered, 2 * block * 2 + 2 * block * 4);
  EXPECT_EQ(memory.gradients, 0);
}

TEST(Memory, TrainedAdaptersAreOnEveryRank) {
  const double values = 83'886'080;
  for (int64_t ranks : {1, 64}) {
    const RankMemory memory = rank_memory(shape, {}, load(), shards(ranks));
    EXPECT_EQ(memory.trained, values * (4 + 2 + 8));
    EXPECT_EQ(memory.gradients, values * 4);
    EXPECT_EQ(memory.gradient_sum, values * 4);
  }
  StepLoad four = load();
  four.micro_batches = 4;
  EXPECT_EQ(rank_memory(shape, {}, four, shards(1)).gradients, values * 16);
}

TEST(Memory, ThePeakIsAtTheHeadOrInABlockOrAtTheEnd) {
  RankMemory memory;
  memory.base = 1;
  memory.gathered = 2;
  memory.embedding = 4;
  memory.trained = 8;
  memory.positions = 16;
  memory.activations = 100;
  memory.vocabulary = 40;
  memory.workspace = 30;
  memory.gradients = 50;
  memory.gradient_sum = 50;
  EXPECT_EQ(memory.total(), 29 + 50 + 140);
  memory.workspace = 60;
  EXPECT_EQ(memory.total(), 29 + 50 + 162);
  memory.gradient_sum = 170;
  EXPECT_EQ(memory.total(), 29 + 50 + 170);
}

TEST(Memory, RecomputingKeepsABlocksInputAndOneBlock) {
  RankLayout layout = shards(8);
  const double kept = rank_memory(shape, {}, load(), layout).activations;
  layout.recompute = Recompute::always;
  const double inputs = rank_memory(shape, {}, load(), layout).activations;
  const double one = block_activation_bytes(shape, {}, load(), layout);
  EXPECT_NEAR(kept - inputs, 31 * one - 32 * 2048.0 * 4 * 4096, 1);
}

TEST(Memory, ActivationsGrowWithTokensAndMicroBatches) {
  StepLoad more = load();
  const double one = rank_memory(shape, {}, more, shards(8)).activations;
  more.micro_batches = 3;
  EXPECT_NEAR(rank_memory(shape, {}, more, shards(8)).activations, 3 * one, 1);
  more.micro_batches = 1;
  more.tokens = 4096;
  EXPECT_NEAR(rank_memory(shape, {}, more, shards(8)).activations, 2 * one, 1);
  more.tokens = 4065;  // padded to 4096
  EXPECT_NEAR(rank_memory(shape, {}, more, shards(8)).activations, 2 * one, 1);
}

TEST(Memory, ChunksOfTheTablesAreNoLargerThanABlock) {
  for (const std::string& name : shape_names()) {
    const ModelShape any = parse_shape("shape:" + name);
    const int64_t rows = chunk_rows(any), block_bytes = 2 * any.block_parameters() / any.layers;
    EXPECT_LE(rows * any.width * 4, block_bytes) << name;
    EXPECT_TRUE(rows == any.vocabulary || (rows + 64) * any.width * 4 > block_bytes) << name;
  }
}

TEST(Memory, TheHeadHoldsLogProbsOfAllMicroBatches) {
  const double logits = 4 * 512 * 128256.0, chunk = static_cast<double>(chunk_rows(shape)) * 4096;
  EXPECT_EQ(rank_memory(shape, {}, load(), shards(1)).vocabulary, 2 * logits);
  EXPECT_EQ(rank_memory(shape, {}, load(), shards(8)).vocabulary, 2 * logits + chunk * (4 + 4 + 2));
  StepLoad three = load();
  three.micro_batches = 3;
  EXPECT_EQ(rank_memory(shape, {}, three, shards(1)).vocabulary, 4 * logits);
}

TEST(Memory, BesideTensorsAGpuHoldsWhatItsRanksAndTrainingNeed) {
  const GpuBeside alone = gpu_beside(shape, shards(1), 1e10);
  EXPECT_EQ(alone.total(), (512 + 256 + 128) * mebi + 1e9);
  EXPECT_EQ(alone.beyond_context(), alone.total() - 512 * mebi);
  const GpuBeside sharing = gpu_beside(shape, shards(8), 1e10);
  EXPECT_EQ(sharing.communicators, 2 * 256 * mebi);
  EXPECT_EQ(sharing.scratch, 0);
  RankLayout replicas = shards(8);
  replicas.shard_size = 4;
  replicas.tuning = Tuning::full;
  EXPECT_EQ(gpu_beside(shape, replicas, 1e10).communicators, 3 * 256 * mebi);
  EXPECT_EQ(gpu_beside(shape, replicas, 1e10).scratch, 4 * block);
  replicas.shard_size = 1;
  EXPECT_EQ(gpu_beside(shape, replicas, 1e10).communicators, 256 * mebi);
}

// Four micro-batches in a block at once need four times a block's needs apart from what is kept.
TEST(Memory, OnAGpuAllMicroBatchesAreInABlockTogether) {
  const ModelShape small = parse_shape("shape:1b");
  StepLoad load;
  load.tokens = 1024;
  load.path = 64;
  load.vocabulary_rows = 128;
  RankLayout apart;
  RankLayout joined = apart;
  joined.joined = true;
  load.micro_batches = 1;
  EXPECT_EQ(rank_memory(small, {}, load, joined).workspace, rank_memory(small, {}, load, apart).workspace);
  load.micro_batches = 4;
  const RankMemory one_way = rank_memory(small, {}, load, joined),
                   four_ways = rank_memory(small, {}, load, apart);
  EXPECT_DOUBLE_EQ(one_way.workspace, 4 * four_ways.workspace);
  EXPECT_DOUBLE_EQ(one_way.gradient_sum, 4 * four_ways.gradient_sum);
  EXPECT_EQ(one_way.gradients, four_ways.gradients);
  joined.tuning = Tuning::full;
  apart.tuning = Tuning::full;
  EXPECT_EQ(rank_memory(small, {}, load, joined).workspace, rank_memory(small, {}, load, apart).workspace);
}

}  // namespace
}  // namespace apportion
