// What can stand for categories with a model: texts that are one token each where its answers begin, right
// after the generation prompt. The texts are data/example.h's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"

namespace apportion {

/// The token that `text` is as the beginning of an answer to the user's turn `prompt`, with a blank and more
/// behind it as well as alone; -1 where it is not one token there, or changes those before it.
int32_t steering_token(const ChatTemplate& chat, const std::string& prompt, const std::string& text);

/// The steering token of each of `categories` categories as the first token of an answer to `prompt`; none
/// with Steering::path. Throws UserError for texts that are not one token in that place, or the same as
/// another's; it says which they are, and what would do.
std::vector<int32_t> steering_tokens(const ChatTemplate& chat, const std::string& prompt, size_t categories,
                                     Steering steering);

/// The same for the first training prompt of the configuration's dataset with its model, before anything
/// runs. Nothing is read with Steering::path. `holdout_wordings` is definite. Throws as steering_tokens and
/// ChatTemplate.
void check_steering_tokens(const RunConfig& config, const Dataset& dataset, const ModelFiles& model);

/// Puts the first of digit, letter and word that the dataset's categories can have with the model in the
/// place of `auto`, and returns a line that says so for people; reads nothing and returns "" where something
/// else is set. The same on all ranks. `holdout_wordings` is definite. Throws UserError that says what was
/// tried where none will do, and as open_model, load_dataset and ChatTemplate do.
std::string resolve_steering(RunConfig& config);

}  // namespace apportion
