#include "worker/models/vocabulary.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <mutex>
#include <string>

#include "shared/architecture/block.h"
#include "shared/model/memory.h"
#include "shared/model_files/gguf_names.h"
#include "worker/kernels/panel_products.h"
#include "worker/parallel/gradients.h"
#include "worker/parallel/lanes.h"
#include "worker/tree/tree_attention.h"

namespace apportion {
namespace {

at::Tensor padded(const at::Tensor& rows_RX) {
  if (padded_rows(rows_RX.size(0)) == rows_RX.size(0)) return rows_RX;
  return at::constant_pad_nd(rows_RX, {0, 0, 0, padded_rows(rows_RX.size(0)) - rows_RX.size(0)});
}

}  // namespace

at::Tensor Vocabulary::is_in(const Chunk& chunk, const at::Tensor& local_T) {
  return local_T.ge(0).logical_and_(local_T.lt(chunk.rows));
}

int64_t Vocabulary::shared_bytes(const ModelShape& shape) {
  const int64_t rows = chunk_rows(shape), matrices = shape.tied_embedding ? 1 : 2;
  int64_t bytes = 0;
  for (int64_t first = 0; first < shape.vocabulary; first += rows) {
    bytes += ShardGroup::packed_bytes({{std::min(rows, shape.vocabulary - first), shape.width}}, at::kFloat);
  }
  return bytes * matrices;
}

Vocabulary::Vocabulary(const WeightSource& weights, const ModelShape& shape, at::ScalarType compute_type,
                       at::Device device, const BaseLayout& layout, const at::Tensor& shared, Parts parts)
    : width_(shape.width),
      vocabulary_(shape.vocabulary),
      compute_type_(compute_type),
      device_(device),
      tied_(shape.tied_embedding),
      embedding_scale_(shape.embedding_scale),
      logits_cap_(shape.logits_cap) {
  auto part = [&](int64_t index) {
    const int64_t bytes = shared_bytes(shape) / (tied_ ? 1 : 2);
    return shared.defined() ? shared.narrow(0, index * bytes, bytes) : at::Tensor();
  };
  if (tied_ || parts == Parts::all)
    embedding_ = load(weights, embedding_name, shape, layout, part(0), device);
  if (!tied_) head_ = load(weights, head_name, shape, layout, part(1), device);
}

Vocabulary::Chunks Vocabulary::load(const WeightSource& weights, const char* name, const ModelShape& shape,
                                    const BaseLayout& layout, const at::Tensor& shared,
                                    at::Device device) const {
  Chunks chunks;
  int64_t offset = 0;
  for (int64_t first = 0; first < shape.vocabulary; first += chunk_rows(shape)) {
    const int64_t rows = std::min(chunk_rows(shape), shape.vocabulary - first);
    const std::vector<std::vector<int64_t>> sizes = {{rows, shape.width}};
    const int64_t bytes = ShardGroup::packed_bytes(sizes, at::kFloat);
    at::Tensor place = shared.defined() ? shared.narrow(0, offset, bytes) : at::Tensor();
    auto source = [&weights, name = std::string(name), first](size_t, int64_t from, int64_t to) {
      return weights.rows(name, first + from, first + to);
    };
    chunks.push_back(
        {first, rows, std::make_unique<ShardGroup>(sizes, at::kFloat, device, layout, place, source), {}});
    offset += bytes;
  }
  return chunks;
}

void Vocabulary::train(const WeightSource& weights, std::vector<TrainedGroup>& groups) {
  auto add = [&](Chunks& chunks, const char* name) {
    for (Chunk& chunk : chunks) {
      auto rows = [&weights, name, first = chunk.first](size_t, int64_t from, int64_t to) {
        return weights.rows(name, first + from, first + to);
      };
      groups.push_back(
          {gguf_name(name, "llama") + "." + std::to_string(chunk.first), chunk.group.get(), rows});
    }
  };
  add(embedding_, embedding_name);
  add(head_, head_name);
}

void Vocabulary::weights_changed() {
  for (Chunks* chunks : {&embedding_, &head_}) {
    for (Chunk& chunk : *chunks) {
      chunk.group->drop();
      chunk.compute_VC.reset();
    }
  }
}

void Vocabulary::head_gradient(const std::vector<at::Tensor>& hidden_RC,
                               const std::vector<at::Tensor>& d_logits_RV, const AddGradient& add) const {
  for (size_t c = 0; c < chunks(); ++c) {
    std::vector<at::Tensor> parts(hidden_RC.size());
    run_lanes(static_cast<int>(parts.size()), device_, [&](int index) {
      const auto item = static_cast<size_t>(index);
      if (!hidden_RC[item].defined()) return;
      const at::Tensor d_logits = d_logits_RV[item].narrow(1, embedding_[c].first, embedding_[c].rows);
      parts[item] = at::mm(d_logits.t(), hidden_RC[item].to(d_logits.scalar_type())).to(at::kFloat);
    });
    add(c, tree_sum(std::move(parts)));
  }
}

void Vocabulary::embedding_gradient(const std::vector<at::Tensor>& ids_T,
                                    const std::vector<at::Tensor>& d_x_TC, const AddGradient& add) const {
  for (size_t c = 0; c < chunks(); ++c) {
    const Chunk& chunk = embedding_[c];
    std::vector<at::Tensor> parts(ids_T.size());
    for (size_t item = 0; item < parts.size(); ++item) {
      if (!ids_T[item].defined()) continue;
      const at::Tensor local_T = ids_T[item] - chunk.first;
      if (!local_T.is_cpu()) {  // no wait for a GPU: other chunks' tokens go to a row that is cut off
        const at::Tensor row_T = at::where(is_in(chunk, local_T), local_T, chunk.rows);
        parts[item] = at::embedding_dense_backward(d_x_TC[item], row_T, chunk.rows + 1, chunk.rows, false)
                          .narrow(0, 0, chunk.rows);
        continue;
      }
      const at::Tensor rows = at::nonzero(is_in(chunk, local_T)).flatten();
      // Rows of a token are added in order, whichever thread has the token.
      parts[item] = at::embedding_dense_backward(d_x_TC[item].index_select(0, rows),
                                                 local_T.index_select(0, rows), chunk.rows, -1, false);
    }
    at::Tensor sum_VC = tree_sum(std::move(parts));
    if (sum_VC.defined() && embedding_scale_ != 1) sum_VC = sum_VC * embedding_scale_;
    add(c, sum_VC);
  }
}

bool Vocabulary::is_whole() const {
  auto whole = [](const Chunks& chunks) {
    return std::all_of(chunks.begin(), chunks.end(),
                       [](const Chunk& chunk) { return chunk.group->is_whole(); });
  };
  return whole(embedding_) && whole(head_);
}

void Vocabulary::gather_all() {
  for (Chunks* chunks : {&embedding_, &head_}) {
    for (Chunk& chunk : *chunks) chunk.group->get();
  }
}

void Vocabulary::walk(Chunks& chunks, size_t items, const Work& work) const {
  const auto count = static_cast<int>(items);
  if (is_whole()) {
    run_lanes(count, device_, [&](int item) {
      for (Chunk& chunk : chunks) work(chunk, chunk.group->get()[0], static_cast<size_t>(item));
    });
    return;
  }
  for (size_t c = 0; c < chunks.size(); ++c) {
    const at::Tensor& matrix_VC = chunks[c].group->get()[0];
    if (c + 1 < chunks.size()) chunks[c + 1].group->gather();
    run_lanes(count, device_, [&](int item) { work(chunks[c], matrix_VC, static_cast<size_t>(item)); });
    chunks[c].group->release();
    if (!chunks[c].group->is_whole()) chunks[c].compute_VC.reset();
  }
}

std::vector<at::Tensor> Vocabulary::embed(const std::vector<at::Tensor>& ids_T) const {
  std::vector<at::Tensor> x_TC;
  for (const at::Tensor& ids : ids_T) {
    x_TC.push_back(at::empty({ids.size(0), width_}, ids.options().dtype(at::kFloat)));
  }
  walk(embedding_, ids_T.size(), [&](Chunk& chunk, const at::Tensor& matrix_VC, size_t item) {
    const at::Tensor local_T = ids_T[item] - chunk.first;
    if (!local_T.is_cpu()) {
      const at::Tensor found_TC = matrix_VC.index_select(0, local_T.clamp(0, chunk.rows - 1));
      x_TC[item] =
          chunks() == 1 ? found_TC : at::where(is_in(chunk, local_T).unsqueeze(1), found_TC, x_TC[item]);
      return;
    }
    const at::Tensor rows = at::nonzero(is_in(chunk, local_T)).flatten();
    if (rows.numel() == 0) return;
    x_TC[item].index_copy_(0, rows, matrix_VC.index_select(0, local_T.index_select(0, rows)));
  });
  if (embedding_scale_ == 1) return x_TC;
  for (at::Tensor& x : x_TC) x = x * embedding_scale_;
  return x_TC;
}

std::vector<at::Tensor> Vocabulary::logits(const std::vector<at::Tensor>& hidden_RC) const {
  std::vector<at::Tensor> inputs, logits_RV;
  for (const at::Tensor& hidden : hidden_RC) {
    inputs.push_back(padded(hidden));
    logits_RV.push_back(at::empty({inputs.back().size(0), vocabulary_}, hidden.options()));
  }
  walk(head(), hidden_RC.size(), [&](Chunk& chunk, const at::Tensor& matrix_VC, size_t item) {
    at::Tensor out = logits_RV[item].narrow(1, chunk.first, chunk.rows);
    at::mm_out(out, inputs[item], matrix_VC.t());
  });
  for (size_t item = 0; item < logits_RV.size(); ++item) {
    logits_RV[item] = logits_RV[item].narrow(0, 0, hidden_RC[item].size(0));
    if (logits_cap_ > 0) logits_RV[item].div_(logits_cap_).tanh_().mul_(logits_cap_);
  }
  return logits_RV;
}

void Vocabulary::uncap(at::Tensor& d_logits_RV, at::Tensor& logits_RV) const {
  d_logits_RV.mul_(logits_RV.div_(logits_cap_).square_().neg_().add_(1));
}

at::Tensor Vocabulary::computed(Chunk& chunk, const at::Tensor& matrix_VC) const {
  if (compute_type_ == at::kFloat) return matrix_VC;
  static std::mutex making;  // if lanes need a chunk at once, one copies and the others wait
  const std::lock_guard lock(making);
  if (!chunk.compute_VC.defined()) chunk.compute_VC = matrix_VC.to(compute_type_);
  return chunk.compute_VC;
}

std::vector<at::Tensor> Vocabulary::logits_backward(const std::vector<at::Tensor>& d_logits_RV) const {
  const bool panels = width_ % 2 == 0 && vocabulary_ % 2 == 0 && multiplies_in_panels(device_, compute_type_);
  std::vector<at::Tensor> inputs, d_hidden_RC;
  for (const at::Tensor& d_logits : d_logits_RV) {
    inputs.push_back(padded(d_logits));
    d_hidden_RC.push_back(at::zeros({inputs.back().size(0), width_}, d_logits.options().dtype(at::kFloat)));
  }
  walk(head(), d_logits_RV.size(), [&](Chunk& chunk, const at::Tensor& matrix_VC, size_t item) {
    at::Tensor part = inputs[item].narrow(1, chunk.first, chunk.rows);
    if (panels) {
      add_product({part, computed(chunk, matrix_VC)}, d_hidden_RC[item]);
    } else {
      d_hidden_RC[item].add_(at::mm(part, computed(chunk, matrix_VC)));
    }
  });
  for (size_t item = 0; item < d_logits_RV.size(); ++item) {
    d_hidden_RC[item] = d_hidden_RC[item].narrow(0, 0, d_logits_RV[item].size(0));
  }
  return d_hidden_RC;
}

}  // namespace apportion
