#include "worker/models/lora.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"
#include "worker/models/row_kernels.h"
#include "worker/panels/micro_kernel.h"
#include "worker/panels/products.h"

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const char* name_of_group(size_t group) {
  static constexpr const char* names[] = {"self_attn", "self_attn", "mlp", "mlp"};
  return names[group];
}

/// copy = values * scale in `type`; its memory serves again.
void scaled_copy(const at::Tensor& values, double scale, at::ScalarType type, at::Tensor& copy) {
  if (!values.is_cpu() || type != at::kBFloat16) {
    copy = values.mul(scale).to(type);
    return;
  }
  if (!copy.defined() || copy.scalar_type() != type) copy = at::empty(values.sizes(), type);
  row_kernels<Bfloat>().scale(values.data_ptr<float>(), static_cast<float>(scale), values.numel(),
                              static_cast<Bfloat*>(copy.data_ptr()));
}

/// Adds each adapted part's low-rank product to its columns of y (in place). h_TR = x (A alpha/r)^T.
void add_low_rank(at::Tensor& y_TO, const at::Tensor& h_TR, const LinearGroup& linear,
                  const LoraGroup& lora) {
  const int64_t rank = lora.b_compute.size(1);
  int64_t b_row = 0;
  for (size_t i = 0; i < lora.adapted.size(); ++i) {
    const LinearPart& part = linear.parts[lora.adapted[i]];
    at::Tensor columns = y_TO.narrow(1, part.out_offset, part.out);
    columns.addmm_(h_TR.narrow(1, static_cast<int64_t>(i) * rank, rank),
                   lora.b_compute.narrow(0, b_row, part.out).t());
    b_row += part.out;
  }
}

/// Whether the products of x or dy with this layer are panels/products.h's.
bool uses_panels(const at::Tensor& x, const LinearGroup& linear, const LoraGroup* lora) {
  auto even = [](const at::Tensor& matrix) { return matrix.size(0) % 2 == 0 && matrix.size(1) % 2 == 0; };
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && x.size(0) % 2 == 0 && even(linear.weight_OI) &&
         (!lora || lora->b_compute.size(1) % 2 == 0) && has_panel_products();
}

/// Each part's columns in one pass: its base's product and, where it has an adapter, its low-rank one.
at::Tensor panel_forward(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                         at::Tensor& h_TR) {
  at::Tensor y_TO = at::empty({x_TI.size(0), linear.weight_OI.size(0)}, x_TI.options());
  if (!lora) {
    sum_products({{x_TI, linear.weight_OI.t()}}, y_TO);
    return y_TO;
  }
  const int64_t rank = lora->b_compute.size(1);
  h_TR = at::empty({x_TI.size(0), lora->a_compute.size(0)}, x_TI.options());
  sum_products({{x_TI, lora->a_compute.t()}}, h_TR);
  int64_t h_column = 0, b_row = 0;
  for (size_t i = 0; i < linear.parts.size(); ++i) {
    const LinearPart& part = linear.parts[i];
    std::vector<PanelProduct> products = {{x_TI, linear.weight_OI.narrow(0, part.out_offset, part.out).t()}};
    if (std::find(lora->adapted.begin(), lora->adapted.end(), i) != lora->adapted.end()) {
      products.push_back({h_TR.narrow(1, h_column, rank), lora->b_compute.narrow(0, b_row, part.out).t()});
      h_column += rank;
      b_row += part.out;
    }
    sum_products(products, y_TO.narrow(1, part.out_offset, part.out));
  }
  return y_TO;
}

/// Gradients of A and B in float32 from factors in the compute type, and dx where it is defined.
void panel_backward(const variable_list& saved, const at::Tensor& dy_TO, const LinearGroup& linear,
                    const LoraGroup& lora, const at::Tensor& dx_TI, at::Tensor& da, at::Tensor& db) {
  const at::Tensor &x_TI = saved[0], &h_TR = saved[1];
  const int64_t rank = lora.b_compute.size(1);
  const at::Tensor h_RT = transposed_copy(h_TR);
  at::Tensor dh_TR = at::empty_like(h_TR);
  db = at::empty(lora.b.sizes(), lora.b.options());
  int64_t b_row = 0;
  for (size_t i = 0; i < lora.adapted.size(); ++i) {
    const LinearPart& part = linear.parts[lora.adapted[i]];
    const int64_t h_column = static_cast<int64_t>(i) * rank;
    const at::Tensor dy_part = dy_TO.narrow(1, part.out_offset, part.out);
    sum_products({{dy_part, lora.b_compute.narrow(0, b_row, part.out)}}, dh_TR.narrow(1, h_column, rank));
    float_product({h_RT.narrow(0, h_column, rank), dy_part}, 1, db.narrow(0, b_row, part.out).t());
    b_row += part.out;
  }
  if (dx_TI.defined()) sum_products({{dy_TO, linear.weight_OI}, {dh_TR, lora.a_compute}}, dx_TI);
  // a_compute holds A alpha/r, so the scale is still missing from dA (and is already in h for dB).
  da = at::empty(lora.a.sizes(), lora.a.options());
  float_product({transposed_copy(dh_TR), x_TI}, static_cast<float>(lora.scale), da);
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const std::optional<at::Tensor>& a,
                            const std::optional<at::Tensor>& b, const std::optional<at::Tensor>& leaf_OI,
                            const LinearGroup* linear, const LoraGroup* lora) {
    context->saved_data["linear"] = reinterpret_cast<int64_t>(linear);
    context->saved_data["lora"] = reinterpret_cast<int64_t>(lora);
    const at::Tensor x_TI = x.contiguous();
    at::Tensor y_TO, h_TR;
    if (uses_panels(x_TI, *linear, lora)) {
      y_TO = panel_forward(x_TI, *linear, lora, h_TR);
    } else {
      y_TO = at::linear(x_TI, linear->weight_OI);
      if (lora) {
        h_TR = at::linear(x_TI, lora->a_compute);
        add_low_rank(y_TO, h_TR, *linear, *lora);
      }
    }
    if (lora) {
      context->save_for_backward({x_TI, h_TR});
    } else if (leaf_OI) {
      context->save_for_backward({x_TI});
    }
    // Leaves enter through their compute copies, and receive the gradients.
    (void)a, (void)b, (void)leaf_OI;
    return y_TO;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto* linear = reinterpret_cast<const LinearGroup*>(context->saved_data["linear"].toInt());
    const auto* lora = reinterpret_cast<const LoraGroup*>(context->saved_data["lora"].toInt());
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy_TO = gradients[0].contiguous(), &weight_OI = linear->weight_OI;
    const bool panels = uses_panels(dy_TO, *linear, lora);
    at::Tensor dx_TI, da, db, dw_OI;
    if (context->needs_input_grad(0)) {
      if (!panels) dx_TI = at::mm(dy_TO, weight_OI);
      if (panels) dx_TI = at::empty({dy_TO.size(0), weight_OI.size(1)}, dy_TO.options());
      if (panels && !lora) sum_products({{dy_TO, weight_OI}}, dx_TI);
    }
    if (lora && panels) panel_backward(saved, dy_TO, *linear, *lora, dx_TI, da, db);
    if (lora && !panels) low_rank_backward(saved, dy_TO, *linear, *lora, dx_TI, da, db);
    if (linear->leaf_OI.defined()) dw_OI = at::mm(dy_TO.t(), saved[0]).to(at::kFloat);
    return {dx_TI, da, db, dw_OI, {}, {}};
  }

  static void low_rank_backward(const variable_list& saved, const at::Tensor& dy_TO,
                                const LinearGroup& linear, const LoraGroup& lora, at::Tensor& dx_TI,
                                at::Tensor& da, at::Tensor& db) {
    const at::Tensor &x_TI = saved[0], &h_TR = saved[1];
    const int64_t rank = lora.b_compute.size(1);
    at::Tensor h_wide = h_TR.to(at::kFloat);
    std::vector<at::Tensor> dh_parts, db_parts;
    int64_t b_row = 0;
    for (size_t i = 0; i < lora.adapted.size(); ++i) {
      const LinearPart& part = linear.parts[lora.adapted[i]];
      at::Tensor dy_part = dy_TO.narrow(1, part.out_offset, part.out);
      dh_parts.push_back(at::mm(dy_part, lora.b_compute.narrow(0, b_row, part.out)));
      db_parts.push_back(
          at::mm(dy_part.to(at::kFloat).t(), h_wide.narrow(1, static_cast<int64_t>(i) * rank, rank)));
      b_row += part.out;
    }
    at::Tensor dh_TR = dh_parts.size() == 1 ? dh_parts[0] : at::cat(dh_parts, 1);
    db = db_parts.size() == 1 ? db_parts[0] : at::cat(db_parts, 0);
    if (dx_TI.defined()) dx_TI.addmm_(dh_TR, lora.a_compute);
    // a_compute holds A alpha/r, so the scale is still missing from dA (and is already in h for dB).
    da = at::mm(dh_TR.to(at::kFloat).t(), x_TI.to(at::kFloat)) * lora.scale;
  }
};

}  // namespace

std::vector<std::vector<LinearPart>> block_groups(const ModelShape& shape) {
  const int64_t q = shape.heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim;
  return {{{"q_proj", 0, q}, {"k_proj", q, kv}, {"v_proj", q + kv, kv}},
          {{"o_proj", 0, shape.width}},
          {{"gate_proj", 0, shape.ffn_width}, {"up_proj", shape.ffn_width, shape.ffn_width}},
          {{"down_proj", 0, shape.width}}};
}

int64_t group_inputs(const ModelShape& shape, size_t index) {
  const int64_t inputs[] = {shape.width, shape.heads * shape.head_dim, shape.width, shape.ffn_width};
  ensure(index < 4, "a block has four groups of linear layers");
  return inputs[index];
}

Adapter::Adapter(const ModelShape& shape, const LoraConfig& config, uint64_t seed, at::Device device)
    : config_(config), shape_(shape) {
  const auto groups = block_groups(shape);
  std::vector<float> values;
  struct Place {
    int64_t a_begin, b_begin, a_rows, inputs, b_rows;
  };
  std::vector<Place> places;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    auto& row = groups_.emplace_back();
    for (size_t g = 0; g < groups.size(); ++g) {
      auto lora = std::make_unique<LoraGroup>();
      int64_t b_rows = 0;
      for (size_t i = 0; i < groups[g].size(); ++i) {
        const auto& targets = config.targets;
        if (std::find(targets.begin(), targets.end(), groups[g][i].name) == targets.end()) continue;
        lora->adapted.push_back(i);
        b_rows += groups[g][i].out;
      }
      if (lora->adapted.empty()) {
        row.push_back(nullptr);
        continue;
      }
      lora->scale = config.alpha / config.rank;
      const int64_t inputs = group_inputs(shape, g),
                    a_rows = static_cast<int64_t>(lora->adapted.size()) * config.rank;
      const auto a_begin = static_cast<int64_t>(values.size());
      CounterRng rng(seed, "lora_A layer " + std::to_string(layer) + " group " + std::to_string(g));
      const double bound = 1 / std::sqrt(static_cast<double>(inputs));
      for (int64_t i = 0; i < a_rows * inputs; ++i)
        values.push_back(static_cast<float>((2 * rng.uniform() - 1) * bound));
      places.push_back({a_begin, static_cast<int64_t>(values.size()), a_rows, inputs, b_rows});
      values.resize(values.size() + static_cast<size_t>(b_rows * config.rank), 0.0F);
      row.push_back(std::move(lora));
    }
  }
  if (values.empty())
    throw UserError(
        "lora_targets names no linear layer of the model; name some of q_proj, k_proj, "
        "v_proj, o_proj, gate_proj, up_proj, down_proj");
  values_ = at::tensor(values, at::kFloat).to(device);
  size_t place = 0;
  for (auto& row : groups_) {
    for (auto& lora : row) {
      if (!lora) continue;
      const Place& at_ = places[place++];
      lora->a =
          values_.narrow(0, at_.a_begin, at_.a_rows * at_.inputs).view({at_.a_rows, at_.inputs}).detach();
      lora->b =
          values_.narrow(0, at_.b_begin, at_.b_rows * config.rank).view({at_.b_rows, config.rank}).detach();
      for (at::Tensor* leaf : {&lora->a, &lora->b}) leaves_.push_back(leaf->set_requires_grad(true));
    }
  }
}

void Adapter::refresh(at::ScalarType compute_type) {
  std::vector<LoraGroup*> all;
  for (auto& row : groups_) {
    for (auto& lora : row) {
      if (lora) all.push_back(lora.get());
    }
  }
  at::parallel_for(0, static_cast<int64_t>(all.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      LoraGroup& lora = *all[static_cast<size_t>(i)];
      scaled_copy(lora.a.detach(), lora.scale, compute_type, lora.a_compute);
      scaled_copy(lora.b.detach(), 1, compute_type, lora.b_compute);
    }
  });
}

std::vector<at::Tensor> Adapter::leaves_of(int64_t layer) const {
  std::vector<at::Tensor> leaves;
  for (const auto& lora : groups_[static_cast<size_t>(layer)]) {
    if (lora) leaves.insert(leaves.end(), {lora->a, lora->b});
  }
  return leaves;
}

const LoraGroup* Adapter::group(int64_t layer, size_t group) const {
  return groups_[static_cast<size_t>(layer)][group].get();
}

std::vector<Adapter::Entry> Adapter::entries() const {
  const auto groups = block_groups(shape_);
  std::vector<Entry> all;
  for (size_t layer = 0; layer < groups_.size(); ++layer) {
    for (size_t g = 0; g < groups.size(); ++g) {
      const LoraGroup* lora = groups_[layer][g].get();
      if (!lora) continue;
      int64_t b_row = 0;
      for (size_t i = 0; i < lora->adapted.size(); ++i) {
        const LinearPart& part = groups[g][lora->adapted[i]];
        all.push_back({static_cast<int64_t>(layer), std::string(name_of_group(g)) + "." + part.name,
                       lora->a.detach().narrow(0, static_cast<int64_t>(i) * config_.rank, config_.rank),
                       lora->b.detach().narrow(0, b_row, part.out)});
        b_row += part.out;
      }
    }
  }
  return all;
}

at::Tensor adapted_linear(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora) {
  using Leaf = std::optional<at::Tensor>;
  return LinearFunction::apply(x_TI, lora ? Leaf(lora->a) : Leaf(), lora ? Leaf(lora->b) : Leaf(),
                               linear.leaf_OI.defined() ? Leaf(linear.leaf_OI) : Leaf(), &linear, lora);
}

}  // namespace apportion
