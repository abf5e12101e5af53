#include "shared/model_files/hub_name.h"

#include <cctype>
#include <map>
#include <regex>

namespace apportion {
namespace {

/// The text of a key; empty where there is none.
std::string text_of(const Gguf& gguf, const std::string& key) { return gguf.has(key) ? gguf.text(key) : ""; }

/// OWNER/NAME out of an address of the hub, or of a text that is no more than that; empty for anything else.
std::string owner_and_name(const std::string& text) {
  static const std::regex address(
      R"(^https?://(www\.)?(huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)([/?#].*)?$)"),
      plain(R"(^[\w.-]+/[\w.-]+$)");
  std::smatch match;
  if (std::regex_match(text, match, address)) return match[3];
  return std::regex_match(text, plain) ? text : "";
}

/// Small letters and digits alone: "Llama 3.1 8B Instruct" and "Llama-3.1-8B-Instruct" are one.
std::string bare(const std::string& text) {
  std::string letters;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0) letters += static_cast<char>(std::tolower(byte));
  }
  return letters;
}

}  // namespace

std::string hub_name(const Gguf& gguf) {
  const std::string name = text_of(gguf, "general.name");
  for (const char* key : {"general.source.repo_url", "general.source.url",
                          "general.source.huggingface.repository", "general.name"}) {
    if (const std::string found = owner_and_name(text_of(gguf, key)); !found.empty()) return found;
  }
  // The base model of a model that was trained further is another one; only a packed copy has its name.
  const std::string base = owner_and_name(text_of(gguf, "general.base_model.0.repo_url"));
  if (!base.empty() && bare(base.substr(base.find('/') + 1)) == bare(name)) return base;
  static const std::map<std::string, std::string> by_name = {
      {"HuggingFaceTB/Smollm2 135M 8k Lc100K Mix1 Ep2", "HuggingFaceTB/SmolLM2-135M-Instruct"}};
  const auto known = by_name.find(text_of(gguf, "general.organization") + "/" + name);
  return known == by_name.end() ? "" : known->second;
}

}  // namespace apportion
