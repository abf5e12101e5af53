// How a card says that what was trained is loaded: lines of Python for peft or transformers, and for vLLM,
// which ask as apportion does.
#pragma once

#include <string>

namespace apportion {

/// What the card's folder holds: an adapter for peft, all weights, or a model with the adapter added in.
enum class CardKind { adapter, weights, merged };

struct Loading {
  CardKind kind = CardKind::adapter;
  std::string base;          // its name on the hub, or else what people call it
  bool base_is_hubs = true;  // the former
  std::string name;          // of what was trained
  int rank = 0;              // of the adapter
  std::string system = {};   // a text in front of every question; empty: what the template does by itself
  std::string question = "...";
  std::string tokens = "32";  // that an answer may have
};

/// Markdown. Lines for vLLM have the smallest rank that it takes and that is enough (vllm/config/lora.py); an
/// adapter of more than its largest has none.
std::string loading_section(const Loading& loading);

}  // namespace apportion
