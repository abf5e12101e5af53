// Keep prompts, by kind: what training is not about and must not change. Lists come with the program
// (jobs/datasets/common/keep-*.txt); a dataset may add its own ([keep], [keep-test]). Near misses, whose
// kinds begin with "near: ", are filled in from the dataset's table, or are its own wordings with another
// thing or place in them. docs/datasets.md has the format.
#pragma once

#include <string>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/data/dataset.h"
#include "shared/data/text_file.h"

namespace apportion {

struct KeepPrompt {
  std::string kind;
  std::string text;
  TextLine line = {};  // the line it was made of; number 0 for the dataset's own
  bool is_near() const { return kind.starts_with("near: "); }
};

/// What a list is for: training (a near miss several times, about other subjects), or measuring.
enum class KeepUse { train, test };

/// The prompts of `list` (NAME | PATH, catalogue.h) and of the dataset's own section, in order. Leaves out
/// lines whose placeholder or column the dataset lacks, and what the dataset itself asks. Throws UserError
/// "FILE, line N: ..." for a list that is not one.
std::vector<KeepPrompt> keep_prompts(const std::string& list, KeepUse use, const Dataset& dataset,
                                     const DataConfig& data);

/// The lists that come with the program, for catalogue.h.
inline constexpr const char* plain_text_list = "plain-text";
inline constexpr const char* easy_questions_list = "easy-questions";

/// SHA-256 of kinds and texts.
std::string digest_of(const std::vector<KeepPrompt>& prompts);

/// A question, and words of which an answer must have one.
struct EasyQuestion {
  std::string text;
  std::vector<std::string> accepted;
};

/// Reads lines "question | accepted | accepted ..." of the file. Throws UserError "FILE, line N: ...".
std::vector<EasyQuestion> easy_questions(const std::string& path);

/// The passages of a text file, one per line.
std::vector<std::string> passages_of(const std::string& path);

}  // namespace apportion
