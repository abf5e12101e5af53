// The dataset that a job works with: its shares are those of its own table, or what the key `target` makes of
// them (config/target.h). docs/datasets.md is the user's guide.
#pragma once

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"

namespace apportion {

/// Gives the subjects the target's shares. Subjects of ood.csv also get even and given shares, mixed ones
/// where their own are known, and a file's where it has them. Throws UserError when the number of shares is
/// not the number of categories, and "FILE, line N: ..." for a file that does not fit the dataset.
void apply_target(Dataset& dataset, const TargetConfig& target);

/// Finds and parses `data.dataset`, and applies `data.target`. Throws what these do.
Dataset load_dataset(const DataConfig& data);

}  // namespace apportion
