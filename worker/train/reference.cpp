// Keeping and finding the reference's log-probs; see reference.h. A kept set is a "checkpoint" whose step is
// the number of its batches, with a tensor for each micro-batch.
#include "worker/train/reference.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "shared/base/error.h"
#include "shared/store/checkpoint.h"
#include "worker/parallel/gradients.h"

namespace apportion {
namespace {

std::string tensor_name(int batch, int micro_batch) {
  return "log_prob/" + std::to_string(batch) + "/" + std::to_string(micro_batch);
}

}  // namespace

ReferenceStore::ReferenceStore(ReferencePlace place, int micro_batches, Collectives& collectives,
                               TrainCheckpoint::Say say)
    : place_(std::move(place)),
      micro_batches_(micro_batches),
      collectives_(collectives),
      say_(std::move(say)) {}

Reference ReferenceStore::load(const std::vector<int>& batches) {
  if (place_.fresh) return {};
  std::vector<double> own;
  if (collectives_.group_rank() == 0) {
    for (uint64_t stored : checkpoint_steps(place_.folder)) own.push_back(static_cast<double>(stored));
  }
  // As with checkpoints, all try what the first rank sees.
  for (double candidate : collectives_.all_gather(own)) {
    const auto stored = static_cast<uint64_t>(candidate);
    const size_t wanted = std::min<size_t>(stored, batches.size());
    Reference found;
    const std::optional<std::string> fault = read(stored, batches, wanted, found);
    const std::vector<double> faults = collectives_.all_gather({fault ? 1.0 : 0.0});
    const auto first_fault = std::find(faults.begin(), faults.end(), 1.0);
    if (first_fault == faults.end()) {
      if (collectives_.group_rank() == 0) {
        say_(TrainCheckpoint::Note::information, "the reference's log-probs of " + std::to_string(wanted) +
                                                     " of " + std::to_string(batches.size()) +
                                                     " batches are read from " + place_.folder);
      }
      return found;
    }
    if (first_fault - faults.begin() == collectives_.group_rank()) {
      say_(TrainCheckpoint::Note::warning, "kept log-probs of the reference are computed again: " + *fault);
    }
  }
  return {};
}

std::optional<std::string> ReferenceStore::read(uint64_t stored, const std::vector<int>& batches,
                                                size_t wanted, Reference& found) const {
  const auto range = micro_batches_of(collectives_.group_rank(), collectives_.size(), micro_batches_);
  try {
    CheckpointReader reader(place_.folder, stored, place_.identity);
    for (size_t i = 0; i < wanted; ++i) {
      std::vector<at::Tensor>& parts = found[batches[i]];
      for (int m = range.first; m < range.last; ++m) {
        const std::string name = tensor_name(batches[i], m);
        const CheckpointTensor& tensor = reader.tensor(name);
        if (tensor.type != ElementType::float32 || tensor.shape.size() != 1) {
          throw DataError(place_.folder, 0, "tensor '" + name + "' is not a vector of float32");
        }
        parts.emplace_back();
        if (tensor.rows() == 0) continue;  // a micro-batch without prompts
        parts.back() = at::empty({static_cast<int64_t>(tensor.rows())}, at::kFloat);
        reader.read_rows(name, 0, tensor.rows(),
                         {static_cast<char*>(parts.back().mutable_data_ptr()), parts.back().nbytes()});
      }
    }
    return std::nullopt;
  } catch (const DataError& error) {
    return error.what();
  }
}

void ReferenceStore::save(const std::vector<int>& batches, const Reference& reference) {
  const auto rank = static_cast<uint64_t>(collectives_.group_rank());
  const auto range = micro_batches_of(collectives_.group_rank(), collectives_.size(), micro_batches_);
  std::vector<CheckpointSlice> slices;
  for (int batch : batches) {
    const std::vector<at::Tensor>& parts = reference.at(batch);
    for (size_t m = 0; m < parts.size(); ++m) {
      const at::Tensor part = parts[m].defined() ? parts[m].cpu().contiguous() : at::empty({0}, at::kFloat);
      const auto rows = static_cast<uint64_t>(part.numel());
      slices.push_back({{tensor_name(batch, range.first + static_cast<int>(m)), ElementType::float32, {rows}},
                        0,
                        rows,
                        {static_cast<const char*>(part.const_data_ptr()), part.nbytes()}});
    }
  }
  // Older::kept, since tasks with other numbers of batches may be writing theirs.
  CheckpointWriter writer(place_.folder, place_.identity, rank, static_cast<uint64_t>(collectives_.size()),
                          Older::kept);
  const auto stored = static_cast<uint64_t>(batches.size());
  writer.start(stored, std::move(slices));
  writer.wait();
  collectives_.barrier();  // complete once all have written their parts
  if (rank != 0) return;
  writer.start_completion(stored);
  writer.wait();
}

}  // namespace apportion
