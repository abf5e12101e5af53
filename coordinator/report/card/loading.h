// The part of a card that says how to load what was trained: Python lines for peft or transformers, and for
// vLLM, which ask the way apportion does.
#pragma once

#include <string>

namespace apportion {

/// What the card's folder holds: an adapter for peft, all weights, or a model with the adapter merged in.
enum class CardKind { adapter, weights, merged };

struct Loading {
  CardKind kind = CardKind::adapter;
  std::string base;          // its name on the hub, else its short name
  bool base_is_hubs = true;  // whether `base` is the name on the hub
  std::string name;          // of the trained model
  int rank = 0;              // of the adapter
  std::string system = {};   // text in front of every question; empty: whatever the template does by itself
  std::string question = "...";
  std::string tokens = "32";  // the most tokens of an answer
};

/// Returns Markdown. The lines for vLLM state the smallest rank it supports that is large enough
/// (vllm/config/lora.py); an adapter beyond its largest rank gets no such lines.
std::string loading_section(const Loading& loading);

}  // namespace apportion
