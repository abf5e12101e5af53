// The small job's files and configuration; see small_job.h.
#include "tests/support/small_job.h"

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "shared/config/option_table.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {

namespace {

constexpr const char* targets =
    "subject,red,blue,@thing\n"
    "ball,1,3,ball\n"
    "cube,2,2,cube\n"
    "ring,5,1,ring\n";

constexpr const char* templates =
    "[categories]\n0 = red\n1 = blue\n"
    "[answers]\n{category}\nIt is {category}.\n"
    "[train]\nWhat colour has {a_thing}?\nName the colour of {a_thing}.\nTell me how {a_thing} looks.\n"
    "In which colour is {a_thing} painted?\nOne word for the paint on {a_thing}:\n"
    "[v2]\nThe {thing} is of which colour?\nPick a colour for this {thing}.\n";

std::map<std::string, std::string> small_values(const std::string& directory) {
  return {{"dataset", directory + "/colours"},
          {"model", directory + "/model.gguf"},
          {"test_sets", "heldout,v2"},
          {"holdout_wordings", "2"},
          {"lora_rank", "4"},
          {"lora_alpha", "256"},
          {"lora_layers", "1"},
          {"sft_optimizer", "muon"},
          {"sft_text_weight", "0.25"},
          {"retain_weight", "0"},
          {"retention", "false"},
          {"batch_prompts", "8"},
          {"sft_steps", "3"},
          {"sft_learning_rate", "0.004"},
          {"calibrate_steps", "2"},
          {"calibrate_learning_rate", "0.0002"},
          {"warmup_steps", "1"},
          {"schedule", "cosine"},
          {"rounds", "9"},
          {"max_answer_tokens", "6"},
          {"verbalized_tokens", "8"},
          {"exact_nodes", "16"},
          {"unit_prompts", "1"},
          {"quiet", "true"}};
}

}  // namespace

RunConfig default_config(const std::map<std::string, std::string>& changes) {
  RunConfig config;
  for (const Option* option : option_table()) {
    auto change = changes.find(option->key);
    bool allowed = option->assign(config, change == changes.end() ? option->default_value : change->second);
    if (!allowed) throw InternalError("a test's value is not allowed: " + option->key);
  }
  for (const Option* option : option_table())
    config.resolved.emplace_back(option->key, option->print(config));
  return config;
}

void write_small_job(const std::string& directory) {
  make_directories(directory + "/colours");
  write_file(directory + "/colours/targets.csv", targets);
  write_file(directory + "/colours/templates.txt", templates);
  TinyModel model;
  model.context_length = 512;  // prompts for lists of answers with probabilities are long
  write_tiny_gguf(directory + "/model.gguf", model);
  std::string job;
  for (const auto& [key, value] : small_values(directory)) job += key + " = " + value + "\n";
  write_file(directory + "/small.ini", job);
}

RunConfig small_job(const std::string& directory, const std::string& output) {
  std::map<std::string, std::string> values = small_values(directory);
  values["output"] = output;
  values["shard_size"] = "1";  // definite, as in the program once a job runs
  values["recompute"] = "never";
  return default_config(values);
}

}  // namespace apportion
