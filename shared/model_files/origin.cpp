#include "shared/model_files/origin.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <variant>

namespace apportion {
namespace {

/// The text of a key; empty when there is none, or another kind of value.
std::string text_of(const Gguf& gguf, const std::string& key) {
  const auto entry = gguf.metadata().find(key);
  const auto* text =
      entry == gguf.metadata().end() ? nullptr : std::get_if<std::string>(&entry->second.value);
  return text ? *text : "";
}

/// OWNER/NAME from an address on the hub, or from a text that is nothing else; empty for any other text.
std::string owner_and_name(const std::string& text) {
  constexpr size_t most = 512;  // a regular expression takes stack for each letter
  if (text.size() > most) return "";
  static const std::regex address(
      R"(^https?://(www\.)?(huggingface\.co|hf\.co)/(\w[\w.-]*/\w[\w.-]*)([/?#].*)?$)"),
      plain(R"(^\w[\w.-]*/\w[\w.-]*$)");
  std::smatch match;
  if (std::regex_match(text, match, address)) return match[3];
  return std::regex_match(text, plain) ? text : "";
}

/// Only small letters and digits: "Llama 3.1 8B Instruct" and "Llama-3.1-8B-Instruct" become the same.
std::string bare(const std::string& text) {
  std::string letters;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0) letters += static_cast<char>(std::tolower(byte));
  }
  return letters;
}

/// Removes the quotes that YAML may put around it. The hub's identifiers are words of letters, digits, dots
/// and dashes.
std::string license_word(std::string text) {
  constexpr size_t most = 64;
  for (const char quote : {'"', '\''}) {
    if (text.size() > 1 && text.front() == quote && text.back() == quote)
      text = text.substr(1, text.size() - 2);
  }
  static const std::regex word(R"(^[A-Za-z0-9.-]+$)");
  return text.size() <= most && std::regex_match(text, word) ? text : "";
}

/// A line of YAML without blanks at either end, and without a comment.
std::string bare_line(std::string_view line) {
  constexpr const char* blanks = " \t\r";
  line = line.substr(0, line.find(" #"));
  const size_t first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos) return "";
  return std::string(line.substr(first, line.find_last_not_of(blanks) - first + 1));
}

}  // namespace

std::string hub_name(const Gguf& gguf) {
  const std::string name = text_of(gguf, "general.name");
  for (const char* key : {"general.source.repo_url", "general.source.url",
                          "general.source.huggingface.repository", "general.name"}) {
    if (const std::string found = owner_and_name(text_of(gguf, key)); !found.empty()) return found;
  }
  // A model that was trained further differs from its base model; only a packed copy has the base's name.
  const std::string base = owner_and_name(text_of(gguf, "general.base_model.0.repo_url"));
  if (!base.empty() && bare(base.substr(base.find('/') + 1)) == bare(name)) return base;
  static const std::map<std::string, std::string> by_name = {
      {"HuggingFaceTB/Smollm2 135M 8k Lc100K Mix1 Ep2", "HuggingFaceTB/SmolLM2-135M-Instruct"}};
  const auto known = by_name.find(text_of(gguf, "general.organization") + "/" + name);
  return known == by_name.end() ? "" : known->second;
}

std::string license_of(const Gguf& gguf) { return license_word(text_of(gguf, "general.license")); }

std::string license_of_card(std::string_view card) {
  constexpr std::string_view key = "license:", rule = "---";
  bool is_front = false;  // between the rules
  while (!card.empty()) {
    const size_t end = std::min(card.find('\n'), card.size());
    const std::string_view line = card.substr(0, end);
    card.remove_prefix(std::min(end + 1, card.size()));
    if ((bare_line(line) == rule) == is_front) return "";
    if (is_front && line.starts_with(key)) return license_word(bare_line(line.substr(key.size())));
    is_front = true;
  }
  return "";
}

}  // namespace apportion
