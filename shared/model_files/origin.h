// Where a model's files say it comes from: its name on the Hugging Face hub
// ("HuggingFaceTB/SmolLM2-135M-Instruct"), and its licence as the hub writes it ("apache-2.0").
#pragma once

#include <string>
#include <string_view>

#include "shared/model_files/gguf.h"

namespace apportion {

/// The model of which this file is a GGUF copy: its source, or its base model when the file only packs that;
/// empty when the file does not tell.
std::string hub_name(const Gguf& gguf);

/// What general.license says; empty when it says nothing, or more than one word.
std::string license_of(const Gguf& gguf);

/// What `license` says in the front matter of a model's card, the text of its README.md; empty as above.
std::string license_of_card(std::string_view card);

}  // namespace apportion
