#include "worker/models/token_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "shared/base/error.h"
#include "worker/models/queued_copy.h"

namespace apportion {

std::vector<at::Tensor*> tensors_of(TokenRows& rows) {
  std::vector<at::Tensor*> all = {&rows.ids_T, &rows.positions_T};
  for (AttentionPlan* plan : {&rows.plan, &rows.windowed})
    all.insert(all.end(), {&plan->keys_BU, &plan->mask_BQU, &plan->users, &plan->user_offsets});
  return all;
}

TokenRows token_rows(const TokenTree& tree, const std::vector<int32_t>& queries, int64_t block_rows,
                     const ModelShape& shape, at::Device device) {
  TokenRows rows;
  rows.count = static_cast<int64_t>(queries.size());
  rows.plan = plan_attention(tree, queries, block_rows);
  std::vector<int64_t> ids(static_cast<size_t>(rows.plan.rows), tree.token(queries[0]));
  std::vector<int64_t> positions(static_cast<size_t>(rows.plan.rows), 0);
  int64_t longest = 0;  // longest path
  for (size_t row = 0; row < queries.size(); ++row) {
    ids[row] = tree.token(queries[row]);
    positions[row] = tree.depth(queries[row]);
    longest = std::max(longest, positions[row] + 1);
    if (longest > shape.context_length) {
      throw UserError("a prompt with its answer is longer than the model's context of " +
                      std::to_string(shape.context_length) +
                      " tokens; shorten the wording or max_answer_tokens");
    }
  }
  if (shape.window > 0 && longest > shape.window)
    rows.windowed = plan_attention(tree, queries, block_rows, shape.window);
  rows.ids_T = at::tensor(ids, at::kLong);
  rows.positions_T = at::tensor(positions, at::kLong);
  move_together(tensors_of(rows), device);
  return rows;
}

TokenRows join_rows(const std::vector<const TokenRows*>& parts, int64_t rows_each) {
  TokenRows rows;
  std::vector<at::Tensor> ids, positions;
  std::vector<const AttentionPlan*> plans, windowed;
  for (const TokenRows* part : parts) {
    rows.part_rows.push_back(std::max(rows_each, part->plan.rows));
    const int64_t more = rows.part_rows.back() - part->plan.rows;
    auto filled = [&](const at::Tensor& list) {
      return more > 0 ? at::constant_pad_nd(list, {0, more}) : list;
    };
    ids.push_back(filled(part->ids_T));
    positions.push_back(filled(part->positions_T));
    plans.push_back(&part->plan);
    windowed.push_back(&part->plan_of(true));
  }
  rows.plan = join_plans(plans, rows_each);
  if (windowed != plans) rows.windowed = join_plans(windowed, rows_each);
  rows.count = rows.plan.slots;
  rows.ids_T = at::cat(ids);
  rows.positions_T = at::cat(positions);
  return rows;
}

}  // namespace apportion
