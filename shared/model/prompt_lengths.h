// Whether all that a job puts to its model fits the model's context, with the answers: said before anything
// runs, with the line at which a prompt stands that does not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/model_files/model_files.h"

namespace apportion {

/// Of a job's configuration: cells that differ in targets and seeds alone share it.
class LengthCheck {
 public:
  /// `dataset` and `model`, which is the configuration's, outlive this. Throws what is wrong with its tokens.
  LengthCheck(const RunConfig& config, const Dataset& dataset, const ModelFiles& model);
  LengthCheck(LengthCheck&&) noexcept;
  ~LengthCheck();

  /// Throws UserError "FILE, line N: ..." for a wording of a test set or of training, a line of a keep list
  /// or a story prompt that is longer than the context with its chat turns and the longest answer that the
  /// job allows. Prompts whose bytes fit are not looked at further.
  void check() const;
  /// The same for wordings that are trained on beside the dataset's own (added_wordings).
  void check_added(const std::vector<std::string>& wordings) const;

 private:
  class Rules;
  std::unique_ptr<Rules> rules_;
};

}  // namespace apportion
