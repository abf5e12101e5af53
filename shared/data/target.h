// The dataset that a job works with: its shares are those of its own table, or what the key `target` makes of
// them (config/target.h). docs/datasets.md is for users.
#pragma once

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"

namespace apportion {

/// Gives the subjects the target's shares. Those of ood.csv get even and given shares, too; mixed ones where
/// their own are known, and a file's where it has them. Throws UserError for a number of shares that is not
/// the dataset's of categories, and "FILE, line N: ..." for a file that does not fit the dataset.
void apply_target(Dataset& dataset, const TargetConfig& target);

/// Finds and parses `data.dataset`, and applies `data.target`. Throws as these do.
Dataset load_dataset(const DataConfig& data);

}  // namespace apportion
