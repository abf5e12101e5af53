// The card of what a cell has trained, as the Hugging Face hub reads it: README.md with front matter. It says
// the same wherever it is written: nothing of time, machine or number of ranks is in it.
#pragma once

#include <optional>
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

/// The last line names what the card was made of, and the SHA-256 of all above it. The subject's task must be
/// in view.training (else InternalError).
std::string model_card(const CellView& view, const CardSubject& subject);

/// SHA-256 over all that a card of this cell and subject follows from: as long as it is the same the card is,
/// too.
std::string card_key(const Cell& cell, const CardSubject& subject);

/// The key of a README.md that is as model_card() made it, of this version or another; nothing where it is
/// somebody else's, or was changed.
std::optional<std::string> key_of_own_card(std::string_view text);

}  // namespace apportion
