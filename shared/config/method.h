// The methods: what each one trains, on which answers and with which losses, and how it asks when measured.
// From this one table the plan makes tasks (coordinator/plan.h) and workers learn what to do. worker/losses
// computes the losses; docs/adding-a-loss.md says how to add one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/config/task.h"

namespace apportion {

/// What a stage's answers look like: "0 Male" (steered) or "Male" (plain). `paths`: plain, and a category's
/// probability is the sum over the answers that name it.
enum class AnswerStyle { steered, plain, paths };

/// How a test's user turn is put: the wording alone, with the target stated, with a category named that was
/// drawn from the target, or asking for all answers with their probabilities.
enum class Asking { plainly, with_target, with_category, for_probabilities };

/// Terms of a stage's loss, in the order they are added.
enum class LossTerm { sft, steering_kl, kto, dpo };

/// One training task. `kind` is the task's kind: sft for the first; calibrate for one that starts from the
/// first's adapter and takes that model as its reference.
struct Stage {
  TaskKind kind;
  AnswerStyle answers;
  std::vector<LossTerm> losses;

  bool has(LossTerm term) const;
};

struct MethodDescription {
  Method method;
  std::string name;
  std::string summary;  // for people, without a full stop
  std::vector<Stage> stages;
  Asking asking;  // when the method is measured; the measurements before it ask plainly
  /// Options whose defaults differ for this method.
  std::vector<std::pair<std::string, std::string>> defaults;
};

/// All methods, those without training first.
const std::vector<MethodDescription>& method_table();
const MethodDescription& description_of(Method method);

/// The method's stages. With Steering::path, stages with steered answers train on paths instead, without KTO:
/// plain words have no rejected answer.
std::vector<Stage> stages_of(Method method, Steering steering);

/// What `preset` sets with `method`: settings for every method, then those for this one, which also win over
/// the method's defaults.
struct PresetSettings {
  std::vector<std::pair<std::string, std::string>> general, of_method;
};
PresetSettings settings_of(Preset preset, Method method);

/// What the worker needs to know about a stage, written into the task's identity and read back from it.
nlohmann::json stage_identity(const Stage& stage);
Stage stage_of(const Task& task);
std::string name_of(Asking asking);
/// `plainly` for a task that does not say.
Asking asking_of(const Task& task);

/// Whether the measure task reads the answers to its test set as stories, as its identity says: it does for
/// story prompts, unless they ask for probabilities.
inline constexpr const char* reading_stories = "stories";
bool reads_stories(const Task& task);

/// Whether this is a judge's task, on answers that its input measured.
bool is_judged(const Task& task);
/// Whether ranks do the task: all tasks except those of judges that are not models run here.
bool needs_ranks(const Task& task);
inline constexpr const char* lexical_judge = "lexical";
inline constexpr const char* local_judge = "local";
/// Name of a judge task's judge.
std::string judge_name(const Task& task);

}  // namespace apportion
