// The card of what a cell has trained, as the Hugging Face hub reads it: README.md with front matter. It is
// the same wherever it is written: it contains no times, machines or numbers of ranks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "coordinator/report/card/loading.h"
#include "coordinator/report/data/report_data.h"

namespace apportion {

struct CardSubject {
  CardKind kind = CardKind::adapter;
  std::string task;  // the task that trained it, one of view.training
  std::string hub_name,
      license;   // of the base, from its files (model_files/origin.h); empty if they do not say
  int rank = 0;  // of the adapter
};

/// The last line holds the card's key and the SHA-256 of everything above it. The subject's task must be in
/// view.training (else InternalError).
std::string model_card(const CellView& view, const CardSubject& subject);

/// SHA-256 over everything that determines the card of this cell and subject: as long as it stays the same,
/// so does the card.
std::string card_key(const Cell& cell, const CardSubject& subject);

/// The key of a README.md as model_card() of this or another version wrote it; nothing if it was written by
/// someone else or changed.
std::optional<std::string> key_of_own_card(std::string_view text);

}  // namespace apportion
