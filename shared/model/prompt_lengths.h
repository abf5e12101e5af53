// Checks that everything a job asks its model fits the model's context, with the answers. Reports before
// anything runs, with the line of a prompt that does not fit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/model_files/model_files.h"

namespace apportion {

/// For one configuration; cells that differ only in targets and seeds share it.
class LengthCheck {
 public:
  /// `dataset` and `model`, the configuration's, must outlive this. Throws what is wrong with the model's
  /// tokens.
  LengthCheck(const RunConfig& config, const Dataset& dataset, const ModelFiles& model);
  LengthCheck(LengthCheck&&) noexcept;
  ~LengthCheck();

  /// Throws UserError "FILE, line N: ..." for a wording of a test set or of training, a line of a keep list
  /// or a story prompt that is longer than the context with its chat turns and the longest answer that the
  /// job allows. Prompts whose bytes fit are not looked at further.
  void check() const;
  /// The same for wordings trained on besides the dataset's own (added_wordings).
  void check_added(const std::vector<std::string>& wordings) const;

 private:
  class Rules;
  std::unique_ptr<Rules> rules_;
};

}  // namespace apportion
