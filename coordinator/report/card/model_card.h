// The card of what a cell has trained, as the Hugging Face hub reads it: README.md with front matter. It says
// the same wherever it is written: nothing of time, machine or number of ranks is in it.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/report/card/loading.h"
#include "coordinator/report/data/report_data.h"

namespace apportion {

struct CardSubject {
  CardKind kind = CardKind::adapter;
  std::string task;  // that trained it, one of view.training
  std::string hub_name,
      license;   // of the base, as its files say (model_files/origin.h); empty where they do not
  int rank = 0;  // of the adapter
};

/// The last line names the SHA-256 of all above it, by which is_own_card() tells a card that nobody changed.
/// The subject's task must be in view.training (else InternalError).
std::string model_card(const CellView& view, const CardSubject& subject);

/// Whether a README.md is as model_card() made it, of this version or another.
bool is_own_card(std::string_view text);

}  // namespace apportion
