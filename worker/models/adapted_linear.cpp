#include "worker/models/adapted_linear.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "shared/base/error.h"
#include "worker/kernels/float_products.h"
#include "worker/kernels/panel_products.h"

namespace apportion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// An adapted part of a group: its columns of y, of h = x (A alpha/r)^T, and its rows of B.
struct AdaptedPart {
  const LinearLayer* part;
  int64_t h_column, b_row, rank;

  at::Tensor of_y(const at::Tensor& y_TO) const { return y_TO.narrow(1, part->first_row, part->outputs); }
  at::Tensor of_h(const at::Tensor& h_TR) const { return h_TR.narrow(1, h_column, rank); }
  at::Tensor of_b(const at::Tensor& b) const { return b.narrow(0, b_row, part->outputs); }
};

std::vector<AdaptedPart> adapted_parts(const LinearGroup& linear, const LoraGroup& lora) {
  const int64_t rank = lora.b_compute.size(1);
  std::vector<AdaptedPart> parts;
  int64_t b_row = 0;
  for (size_t i = 0; i < lora.adapted.size(); ++i) {
    const LinearLayer& part = linear.parts[lora.adapted[i]];
    parts.push_back({&part, static_cast<int64_t>(i) * rank, b_row, rank});
    b_row += part.outputs;
  }
  return parts;
}

/// Computes each part's columns in one pass: the base's product and, if the part has an adapter, its low-rank
/// product.
at::Tensor panel_forward(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                         at::Tensor& h_TR) {
  at::Tensor y_TO = at::empty({x_TI.size(0), linear.weight_OI.size(0)}, x_TI.options());
  if (!lora) {
    sum_products({{x_TI, linear.weight_OI.t()}}, y_TO);
    return y_TO;
  }
  h_TR = at::empty({x_TI.size(0), lora->a_compute.size(0)}, x_TI.options());
  sum_products({{x_TI, lora->a_compute.t()}}, h_TR);
  const std::vector<AdaptedPart> adapted = adapted_parts(linear, *lora);
  for (const LinearLayer& part : linear.parts) {
    std::vector<PanelProduct> products = {
        {x_TI, linear.weight_OI.narrow(0, part.first_row, part.outputs).t()}};
    for (const AdaptedPart& low_rank : adapted) {
      if (low_rank.part == &part)
        products.push_back({low_rank.of_h(h_TR), low_rank.of_b(lora->b_compute).t()});
    }
    sum_products(products, y_TO.narrow(1, part.first_row, part.outputs));
  }
  return y_TO;
}

at::Tensor plain_forward(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                         at::Tensor& h_TR) {
  at::Tensor y_TO = at::linear(x_TI, linear.weight_OI);
  if (!lora) return y_TO;
  h_TR = at::linear(x_TI, lora->a_compute);
  for (const AdaptedPart& part : adapted_parts(linear, *lora)) {
    at::Tensor columns = part.of_y(y_TO);
    columns.addmm_(part.of_h(h_TR), part.of_b(lora->b_compute).t());
  }
  return y_TO;
}

/// The base's product comes last, so it is rounded once, as by panels. Next to it, the rounding errors of the
/// low-rank products hardly matter.
at::Tensor device_forward(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                          at::Tensor& h_TR) {
  if (!lora) return at::linear(x_TI, linear.weight_OI);
  h_TR = at::linear(x_TI, lora->a_compute);
  const std::vector<int64_t> sizes = {x_TI.size(0), linear.weight_OI.size(0)};
  const bool all = lora->adapted.size() == linear.parts.size();
  at::Tensor y_TO = all ? at::empty(sizes, x_TI.options()) : at::zeros(sizes, x_TI.options());
  for (const AdaptedPart& part : adapted_parts(linear, *lora)) {
    at::Tensor columns = part.of_y(y_TO);
    at::mm_out(columns, part.of_h(h_TR), part.of_b(lora->b_compute).t());
  }
  return y_TO.addmm_(x_TI, linear.weight_OI.t());
}

/// dA and dB for each of `parts` equally long runs of rows, [parts, ...] unless parts is 1. One product for
/// each matrix covers all parts. See adapter_gradients.
void device_adapter_gradients(const at::Tensor& x_TI, const at::Tensor& h_TR, const at::Tensor& dh_TR,
                              const at::Tensor& dy_TO, const LinearGroup& linear, const LoraGroup& lora,
                              int64_t parts, at::Tensor& da, at::Tensor& db) {
  auto by_part = [parts](const at::Tensor& rows_TX) { return rows_TX.unflatten(0, {parts, -1}); };
  da = at::empty({parts, lora.a.size(0), lora.a.size(1)}, lora.a.options());
  db = at::empty({parts, lora.b.size(0), lora.b.size(1)}, lora.b.options());
  float_products_into(da, by_part(dh_TR).transpose(1, 2), by_part(x_TI), lora.scale);
  for (const AdaptedPart& part : adapted_parts(linear, lora)) {
    float_products_into(db.narrow(1, part.b_row, part.part->outputs),
                        by_part(part.of_y(dy_TO)).transpose(1, 2), by_part(part.of_h(h_TR)), 1);
  }
  if (parts > 1) return;
  da = da[0];
  db = db[0];
}

/// dh = dy B, part by part.
at::Tensor low_rank_gradient(const at::Tensor& dy_TO, const LinearGroup& linear, const LoraGroup& lora,
                             bool panels) {
  at::Tensor dh_TR = at::empty({dy_TO.size(0), lora.a_compute.size(0)}, dy_TO.options());
  for (const AdaptedPart& part : adapted_parts(linear, lora)) {
    at::Tensor columns = part.of_h(dh_TR);
    if (panels) {
      sum_products({{part.of_y(dy_TO), part.of_b(lora.b_compute)}}, columns);
    } else if (columns.is_cpu()) {
      columns.copy_(at::mm(part.of_y(dy_TO), part.of_b(lora.b_compute)));
    } else {
      at::mm_out(columns, part.of_y(dy_TO), part.of_b(lora.b_compute));
    }
  }
  return dh_TR;
}

/// dx = dy W + dh (A alpha/r).
at::Tensor input_gradient(const at::Tensor& dy_TO, const at::Tensor& dh_TR, const LinearGroup& linear,
                          const LoraGroup* lora, bool panels) {
  if (!panels) {
    at::Tensor dx_TI = at::mm(dy_TO, linear.weight_OI);
    return lora ? dx_TI.addmm_(dh_TR, lora->a_compute) : dx_TI;
  }
  at::Tensor dx_TI = at::empty({dy_TO.size(0), linear.weight_OI.size(1)}, dy_TO.options());
  std::vector<PanelProduct> products = {{dy_TO, linear.weight_OI}};
  if (lora) products.push_back({dh_TR, lora->a_compute});
  sum_products(products, dx_TI);
  return dx_TI;
}

/// dA and dB for some rows, from factors in the compute type, summed in float32. a_compute holds A alpha/r,
/// so dA still lacks the scale, while for dB it is already in h.
void adapter_gradients(const at::Tensor& x_TI, const at::Tensor& h_TR, const at::Tensor& dh_TR,
                       const at::Tensor& dy_TO, const LinearGroup& linear, const LoraGroup& lora, bool panels,
                       at::Tensor& da, at::Tensor& db) {
  da = at::empty(lora.a.sizes(), lora.a.options());
  db = at::empty(lora.b.sizes(), lora.b.options());
  if (panels) {
    float_product({transposed_copy(dh_TR), x_TI}, static_cast<float>(lora.scale), da);
  } else {
    at::mm_out(da, dh_TR.to(at::kFloat).t(), x_TI.to(at::kFloat)).mul_(lora.scale);
  }
  const at::Tensor h = panels ? transposed_copy(h_TR) : h_TR.to(at::kFloat);
  for (const AdaptedPart& part : adapted_parts(linear, lora)) {
    at::Tensor rows = part.of_b(db);
    if (panels) {
      float_product({h.narrow(0, part.h_column, part.rank), part.of_y(dy_TO)}, 1, rows.t());
    } else {
      at::mm_out(rows, part.of_y(dy_TO).to(at::kFloat).t(), part.of_h(h));
    }
  }
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  /// `leaves` receive the gradients; their values enter through copies in the compute type.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::TensorList& leaves,
                            const LinearGroup* linear, const LoraGroup* lora,
                            const std::vector<int64_t>& part_rows) {
    context->saved_data["linear"] = reinterpret_cast<int64_t>(linear);
    context->saved_data["lora"] = reinterpret_cast<int64_t>(lora);
    context->saved_data["part_rows"] = part_rows;
    const at::Tensor x_TI = x.contiguous();
    at::Tensor h_TR;
    at::Tensor y_TO;
    if (uses_panels(x_TI, *linear, lora)) {
      y_TO = panel_forward(x_TI, *linear, lora, h_TR);
    } else {
      y_TO = (x_TI.is_cpu() ? plain_forward : device_forward)(x_TI, *linear, lora, h_TR);
    }
    if (lora) {
      context->save_for_backward({x_TI, h_TR});
    } else if (!leaves.empty()) {
      context->save_for_backward({x_TI});
    }
    return y_TO;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto* linear = reinterpret_cast<const LinearGroup*>(context->saved_data["linear"].toInt());
    const auto* lora = reinterpret_cast<const LoraGroup*>(context->saved_data["lora"].toInt());
    std::vector<int64_t> part_rows = context->saved_data["part_rows"].toIntVector();
    const variable_list saved = context->get_saved_variables();
    const at::Tensor dy_TO = gradients[0].contiguous();
    const bool panels = uses_panels(dy_TO, *linear, lora);
    variable_list found(1);
    at::Tensor dh_TR;
    if (lora) dh_TR = low_rank_gradient(dy_TO, *linear, *lora, panels);
    if (context->needs_input_grad(0)) found[0] = input_gradient(dy_TO, dh_TR, *linear, lora, panels);
    if (linear->leaf_OI.defined()) found.push_back(at::mm(dy_TO.t(), saved[0]).to(at::kFloat));
    if (part_rows.empty()) part_rows = {dy_TO.size(0)};
    if (lora && !dy_TO.is_cpu()) {
      at::Tensor da, db;
      device_adapter_gradients(saved[0], saved[1], dh_TR, dy_TO, *linear, *lora,
                               static_cast<int64_t>(part_rows.size()), da, db);
      found.insert(found.end(), {da, db});
    } else if (lora) {
      int64_t row = 0;
      for (int64_t rows : part_rows) {
        auto part = [&](const at::Tensor& x) { return x.narrow(0, row, rows); };
        at::Tensor da, db;
        adapter_gradients(part(saved[0]), part(saved[1]), part(dh_TR), part(dy_TO), *linear, *lora, panels,
                          da, db);
        found.insert(found.end(), {da, db});
        row += rows;
      }
    }
    found.resize(found.size() + 3);  // non-tensor inputs get no gradient
    return found;
  }

  static bool uses_panels(const at::Tensor& x, const LinearGroup& linear, const LoraGroup* lora) {
    const int64_t rank = lora ? lora->b_compute.size(1) : 0;
    return x.size(0) % 2 == 0 && fits_panels(linear.parts, rank) &&
           multiplies_in_panels(x.device(), x.scalar_type());
  }
};

}  // namespace

bool fits_panels(const FusedLayers& parts, int64_t rank) {
  return inputs_of(parts) % 2 == 0 && rank % 2 == 0 &&
         std::all_of(parts.begin(), parts.end(),
                     [](const LinearLayer& part) { return part.outputs % 2 == 0; });
}

at::Tensor adapted_linear(const at::Tensor& x_TI, const LinearGroup& linear, const LoraGroup* lora,
                          const std::vector<int64_t>& part_rows) {
  std::vector<at::Tensor> leaves;
  if (linear.leaf_OI.defined()) leaves.push_back(linear.leaf_OI);
  if (lora) {
    const auto parts = static_cast<int64_t>(std::max<size_t>(1, part_rows.size()));
    ensure(2 * parts <= static_cast<int64_t>(lora->leaves.size()), "an adapter has leaves for every part");
    const int64_t first = x_TI.is_cpu() ? 0 : 2 * (parts - 1);
    leaves.insert(leaves.end(), lora->leaves.begin() + first, lora->leaves.begin() + 2 * parts);
  }
  return LinearFunction::apply(x_TI, at::TensorList(leaves), &linear, lora, part_rows);
}

}  // namespace apportion
