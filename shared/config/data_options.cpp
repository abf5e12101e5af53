#include "shared/config/data_options.h"

#include <utility>

namespace apportion {

namespace {

Option system_option(OptionText text) {
  Option option = text_option(std::move(text), field(&RunConfig::data, &DataConfig::system),
                              "default|none|TEXT", EmptyText::refused);
  option.allowed = "default, none or a text in UTF-8, without '#'";
  return option;
}

}  // namespace

OptionGroup data_options() {
  using Data = DataConfig;
  Names<Framing> framings = {{"auto", Framing::automatic}, {"none", Framing::none}};
  return {
      "Data and model",
      {
          path_option({"dataset", "gender-us-real", Identity::no,
                       "dataset folder, or the name of a dataset that comes with the program"},
                      field(&RunConfig::data, &Data::dataset), "NAME|PATH", EmptyText::refused),
          path_option({"model", "smollm2", Identity::no,
                       "name of an installed model, GGUF file, Hugging Face folder, OWNER/NAME on the "
                       "Hugging Face hub (docs/model-files.md), or synthetic weights: shape:NAME or "
                       "shape:layers=N,... (docs/scaling.md)"},
                      field(&RunConfig::data, &Data::model), "NAME|PATH", EmptyText::refused),
          path_option(
              {"adapter_in", "", Identity::no,
               "a LoRA adapter in PEFT's format that the model starts with: training continues it, with its "
               "lora_rank, lora_alpha, lora_targets and lora_layers, and 'before' is measured with it"},
              field(&RunConfig::data, &Data::adapter_in), "PATH", EmptyText::allowed),
          system_option({"system", default_system, Identity::yes,
                         "the system turn before every prompt; default: what the model's own template puts "
                         "there; none: no system turn; otherwise its text"}),
          target_option({"target", "real", Identity::no,
                         "shares that the answers are to follow; real: the dataset's own; even: equal ones; "
                         "0.9/0.1: the same for every subject; mix SHARE: that far from real to even; "
                         "FILE.csv: a table's (docs/datasets.md)"},
                        field(&RunConfig::data, &Data::target)),
          integer_option({"subjects", "0", Identity::yes, "use only the first N subjects; 0: all"},
                         field(&RunConfig::data, &Data::subjects), {0, 1'000'000}),
          or_auto(integer_option({"holdout_wordings", "auto", Identity::yes,
                                  "training wordings kept out of training for the test set heldout; auto: a "
                                  "fifth of them, at most 4, and none where there are fewer than 3"},
                                 field(&RunConfig::data, &Data::holdout_wordings), {0, 10'000}),
                  field(&RunConfig::data, &Data::holdout_wordings), automatic_holdout),
          choice_option(
              {"frames", "auto", Identity::yes,
               "auto: the program adds frames of its own around the training wordings until there "
               "are 120, and of up to 10 wordings their key words (docs/datasets.md); none: it adds nothing"},
              field(&RunConfig::data, &Data::frames), framings),
          integer_option({"seed", "0", Identity::yes, "seed of every random draw"},
                         field(&RunConfig::data, &Data::seed), {}),
      }};
}

}  // namespace apportion
