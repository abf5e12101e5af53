// The gradient of all weights, tied or not, of log-probs and of the KL from a base whose head stays as it
// was, equals plain autograd's through a separately written model, on any number of ranks; powers of two give
// one rank's bytes.
#include "worker/train/full_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <mutex>
#include <numeric>

#include "shared/architecture/block.h"
#include "shared/base/file_system.h"
#include "shared/model_files/safetensors.h"
#include "shared/model_files/tensor_reader.h"
#include "tests/support/sample_results.h"
#include "tests/support/worker/full_ranks.h"
#include "tests/support/worker/plain_llama.h"
#include "tests/support/worker/test_device.h"
#include "worker/models/weight_source.h"
#include "worker/models/weights_file.h"
#include "worker/parallel/gradients.h"

namespace apportion {
namespace {

using testing::FullRank;
using testing::Head;
using testing::on_full_ranks;
using testing::plain_log_probs;
using testing::PlainWeights;
using testing::RankGrid;
using testing::relative_difference;
using testing::TinyWorld;

using Named = std::map<std::string, FloatTensor>;

constexpr int micro_batches = 4;
/// One path of tokens per micro-batch; the second is empty.
const std::vector<int> lengths = {3, 0, 40, 12};

std::vector<int64_t> tokens_of(int micro_batch) {
  std::vector<int64_t> ids;
  for (int i = 0; i < lengths[static_cast<size_t>(micro_batch)]; ++i)
    ids.push_back((7 * i * i + 31 * micro_batch) % 250);
  return ids;
}

/// The gradient with respect to the log-probs of the path's edges: arbitrary numbers.
at::Tensor d_log_probs(int micro_batch) {
  return (at::arange(lengths[static_cast<size_t>(micro_batch)] - 1, at::kFloat) + micro_batch).cos();
}

/// A path's first rows are kept, with arbitrary base hidden rows.
constexpr int64_t kept_rows = 2;
at::Tensor d_kl(int micro_batch) { return at::arange(kept_rows, at::kFloat) + micro_batch + 1; }
at::Tensor base_hidden(int micro_batch, int64_t width) {
  return (at::arange(kept_rows * width, at::kFloat) * (micro_batch + 3)).sin().view({kept_rows, width});
}

struct Path {
  TokenRows rows;
  EdgeIndex edges;
  KeptRows kept;
};

Path path_of(int micro_batch, const ModelShape& shape) {
  const std::vector<int64_t> ids = tokens_of(micro_batch);
  TokenTree tree;
  tree.add_path(no_node, {ids.begin(), ids.end()});
  std::vector<int32_t> nodes(ids.size());
  std::iota(nodes.begin(), nodes.end(), 0);
  const auto edges = static_cast<int64_t>(ids.size()) - 1;
  return {token_rows(tree, nodes, packed_block_rows, shape, test_device()),
          {at::arange(edges, at::kLong), at::arange(edges, at::kLong),
           at::tensor(std::vector<int64_t>(ids.begin() + 1, ids.end()), at::kLong)},
          {at::arange(kept_rows, at::kLong), base_hidden(micro_batch, shape.width), at::ones({kept_rows})}};
}

/// The rank's part of the gradient, summed over the group's micro-batches.
at::Tensor gradient_on(FullRank& rank, Recompute recompute) {
  const auto range = micro_batches_of(rank.group.group_rank(), rank.group.size(), micro_batches);
  std::vector<Path> paths;
  for (int m = range.first; m < range.last; ++m)
    paths.push_back(lengths[static_cast<size_t>(m)] == 0 ? Path{} : path_of(m, rank.model.shape()));
  std::vector<PassItem> items;
  std::vector<at::Tensor> d_E;
  for (int m = range.first; m < range.last; ++m) {
    const Path& path = paths[static_cast<size_t>(m - range.first)];
    const bool empty = lengths[static_cast<size_t>(m)] == 0;
    items.push_back(empty ? PassItem{} : PassItem{&path.rows, &path.edges, &path.kept});
    d_E.push_back(empty ? at::Tensor() : at::cat({d_log_probs(m), d_kl(m)}));
  }
  auto pass = rank.weights->pass(items, recompute);
  // The base is a different model: its head is not the one being trained.
  const auto base_head = rank.model.other_head(WeightSource(synthetic_tensors(rank.model.shape())));
  pass->forward(BlockPass::Gradient::wanted, base_head.get());
  EXPECT_TRUE(pass->backward(d_E).empty());
  return rank.weights->gradient({}, micro_batches, rank.group);
}

/// The file that results from writing a gradient as if it were the weights.
std::string gradient_file(const TinyWorld& world, const RankGrid& grid, Recompute recompute) {
  TemporaryDirectory directory;
  on_full_ranks(world, grid, [&](FullRank& rank) {
    rank.weights->values().copy_(gradient_on(rank, recompute));
    if (rank.group.group_rank() < grid.shards) rank.weights->save(directory.path());
  });
  return read_file(directory.path() + "/model.safetensors");
}

Named parse(const std::string& bytes) {
  TemporaryDirectory directory;
  write_file(directory.path() + "/x.safetensors", bytes);
  return read_safetensors(directory.path() + "/x.safetensors");
}

at::Tensor tensor_of(const FloatTensor& tensor) {
  return at::tensor(tensor.values, at::kFloat).view(tensor.shape);
}

/// Gradients under GGUF's names.
PlainWeights plain_gradient(const TinyWorld& world) {
  const ModelShape& shape = world.model().shape();
  PlainWeights weights, gradient;
  torch::autograd::variable_list leaves;
  for (const auto& [name, sizes] : tensors_of(shape)) {
    weights[name] = world.weights().whole(name).set_requires_grad(true);
    leaves.push_back(weights[name]);
  }
  const at::Tensor base_head_VC =
      WeightSource(synthetic_tensors(shape))
          .whole(shape.tied_embedding ? "model.embed_tokens.weight" : "lm_head.weight");
  at::Tensor loss = at::zeros({});
  for (int m = 0; m < micro_batches; ++m) {
    if (lengths[static_cast<size_t>(m)] == 0) continue;
    const std::vector<int64_t> ids = tokens_of(m);
    const at::Tensor ids_T = at::tensor(ids, at::kLong), next = ids_T.slice(0, 1).unsqueeze(1);
    const at::Tensor log_probs_TV = plain_log_probs(weights, shape, ids_T);
    const at::Tensor log_prob_E = log_probs_TV.slice(0, 0, -1).gather(1, next).squeeze(1);
    const at::Tensor base_NV = at::mm(base_hidden(m, shape.width), base_head_VC.t()).log_softmax(-1);
    const at::Tensor kl_N = (base_NV.exp() * (base_NV - log_probs_TV.slice(0, 0, kept_rows))).sum(-1);
    loss = loss + (log_prob_E * d_log_probs(m)).sum() + (kl_N * d_kl(m)).sum();
  }
  auto found = torch::autograd::grad({loss}, leaves);
  size_t index = 0;
  for (const auto& [name, leaf] : weights) gradient[name] = found[index++];
  return gradient;
}

void expect_near(const Named& one, const Named& other, double bound) {
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [name, tensor] : one)
    EXPECT_LT(relative_difference(tensor_of(tensor), tensor_of(other.at(name))), bound) << name;
}

TEST(FullPass, EqualsPlainAutograd) {
  for (Head head : {Head::tied, Head::own}) {
    const TinyWorld world(at::kFloat, head);
    const Named found = parse(gradient_file(world, {}, Recompute::never));
    const PlainWeights expected = plain_gradient(world);
    EXPECT_EQ(found.size(), expected.size());
    for (const auto& [name, gradient] : expected)
      EXPECT_LT(relative_difference(tensor_of(found.at(name)), gradient), 1e-5) << name;
  }
}

TEST(FullPass, SameBytesOnPowersOfTwoAndNearOnOthers) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const TinyWorld world(type, type == at::kFloat ? Head::own : Head::tied);
    const std::string alone = gradient_file(world, {}, Recompute::never);
    EXPECT_EQ(alone, gradient_file(world, {}, Recompute::always));
    using Node = RankGrid::Node;
    for (const RankGrid& grid : std::vector<RankGrid>{{2, 1, Node::many},
                                                      {4, 1, Node::many},
                                                      {2, 1, Node::one},
                                                      {2, 2, Node::many},
                                                      {1, 4, Node::many},
                                                      {8, 1, Node::many}}) {
      EXPECT_TRUE(alone == gradient_file(world, grid, Recompute::always)) << grid.name();
    }
    for (const RankGrid& grid : std::vector<RankGrid>{{3, 1, Node::many}, {1, 3, Node::many}})
      expect_near(parse(gradient_file(world, grid, Recompute::never)), parse(alone), 1e-6);
  }
}

// A single rank has its micro-batches side by side on lanes of one thread; a rank with one micro-batch uses
// all threads for it. On four threads LibTorch's float32 products of few rows have different bits:
// docs/numerics.md.
TEST(FullPass, SameBytesOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  for (const auto& [type, most] : {std::pair(at::kFloat, 2), std::pair(at::kBFloat16, 4)}) {
    const TinyWorld world(type, Head::own);
    at::set_num_threads(1);
    const std::string on_one = gradient_file(world, {}, Recompute::never);
    for (int threads = 2; threads <= most; threads *= 2) {
      at::set_num_threads(threads);
      for (const RankGrid& grid :
           std::vector<RankGrid>{{1, 1, RankGrid::Node::many}, {1, 4, RankGrid::Node::many}})
        EXPECT_TRUE(on_one == gradient_file(world, grid, Recompute::never))
            << threads << " on " << grid.name();
    }
  }
  at::set_num_threads(before);
}

}  // namespace
}  // namespace apportion
