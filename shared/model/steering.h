// What can stand for categories with a model: texts that are one token each at the start of its answers,
// right after the generation prompt. data/example.h has the texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/model_files/model_files.h"
#include "shared/tokens/chat_template.h"

namespace apportion {

/// The token of `text` at the start of an answer to the user's turn `prompt`, both alone and with a blank and
/// more after it; -1 when it is not one token there, or changes the tokens before it.
int32_t steering_token(const ChatTemplate& chat, const std::string& prompt, const std::string& text);

/// The steering token of each of `categories` categories as the first token of an answer to `prompt`; none
/// with Steering::path. Throws UserError for texts that are not one token there, or the same as another's; it
/// lists them and says what would work.
std::vector<int32_t> steering_tokens(const ChatTemplate& chat, const std::string& prompt, size_t categories,
                                     Steering steering);

/// The same for the first training prompt of the configuration's dataset with its model, before anything
/// runs. With Steering::path it reads nothing. `holdout_wordings` must be definite. Throws what
/// steering_tokens and ChatTemplate do.
void check_steering_tokens(const RunConfig& config, const Dataset& dataset, const ModelFiles& model);

/// Replaces `auto` by the first of digit, letter and word that the dataset's categories can have with the
/// model, and returns a line that tells people so; when something else is set, reads nothing and returns "".
/// The same on all ranks. `holdout_wordings` must be definite. Throws UserError that says what was tried when
/// none works, and what open_model, load_dataset and ChatTemplate throw.
std::string resolve_steering(RunConfig& config);

}  // namespace apportion
