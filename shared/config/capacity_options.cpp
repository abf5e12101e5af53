#include "shared/config/capacity_options.h"

namespace apportion {

OptionGroup capacity_options() {
  using Capacity = CapacityConfig;
  auto of = [](auto member) { return field(&RunConfig::capacity, member); };
  return {
      "Planning (apportion plan)",
      {
          text_option({"plan_machine", "h100-80", Identity::no,
                       "machine of the ranks: cpu, a100-80, h100-80, h200-141, b200-180"},
                      of(&Capacity::machine), "NAME", EmptyText::refused),
          integers_option({"plan_ranks", "8,16,32,64,128,256,512,1024", Identity::no, "numbers of ranks"},
                          of(&Capacity::ranks), {1, 1'048'576}),
          choice_option({"plan_scaling", "weak", Identity::no,
                         "weak: one micro-batch a rank; strong: the job's micro_batches over all ranks"},
                        of(&Capacity::scaling),
                        Names<Scaling>{{"weak", Scaling::weak}, {"strong", Scaling::strong}}),
          integer_option({"plan_tokens", "2048", Identity::no, "distinct tokens of a micro-batch"},
                         of(&Capacity::tokens), {1, 16'777'216}),
          integer_option({"plan_path", "256", Identity::no, "tokens that a token attends to, on average"},
                         of(&Capacity::path), {1, 1'048'576}),
          integer_option({"plan_rows", "512", Identity::no, "rows of a micro-batch whose log-probs are read"},
                         of(&Capacity::rows), {1, 16'777'216}),
          choice_option({"plan_tuning", "adapter", Identity::no, "adapter: LoRA; full: all weights"},
                        of(&Capacity::tuning),
                        Names<Tuning>{{"adapter", Tuning::adapter}, {"full", Tuning::full}}),
          path_option({"plan_coefficients", "", Identity::no,
                       "file of coefficients measured on the machine; empty: assumed ones"},
                      of(&Capacity::coefficients), "FILE", EmptyText::allowed),
      }};
}

OptionGroup scale_options() {
  using Scale = ScaleConfig;
  auto of = [](auto member) { return field(&RunConfig::scale, member); };
  using Scalings = std::vector<Scaling>;
  Names<Scalings> scalings = {
      {"weak", {Scaling::weak}}, {"strong", {Scaling::strong}}, {"both", {Scaling::weak, Scaling::strong}}};
  return {"Scaling studies (apportion scale)",
          {
              text_option({"scale_shapes", "350m", Identity::no,
                           "synthetic models, with blanks between; each as after 'shape:' in the key model"},
                          of(&Scale::shapes), "SHAPES", EmptyText::refused),
              integers_option({"scale_ranks", "1,2", Identity::no,
                               "numbers of ranks to measure on, each at most that of the job"},
                              of(&Scale::ranks), {1, 1'048'576}),
              integers_option({"scale_shard_sizes", "1", Identity::no,
                               "ranks that hold the base together; measured where they divide the ranks"},
                              of(&Scale::shard_sizes), {1, 1'048'576}),
              choice_option({"scale_scaling", "both", Identity::no,
                             "weak: one micro-batch a rank; strong: the job's micro_batches over all ranks"},
                            of(&Scale::scaling), scalings),
              integer_option({"scale_tokens", "800", Identity::yes,
                              "distinct tokens of a micro-batch, rounded down to equal prompts"},
                             of(&Scale::tokens), {1, 16'777'216}),
              integer_option({"scale_prompts", "4", Identity::yes, "prompts of a micro-batch"},
                             of(&Scale::prompts), {1, most_prompts}),
              integer_option({"scale_branches", "4", Identity::yes, "answers of a prompt, 8 tokens each"},
                             of(&Scale::branches), {1, 1024}),
              integer_option({"scale_steps", "5", Identity::yes, "timed steps, after one that is not"},
                             of(&Scale::steps), {1, 10'000}),
              flag_option({"scale_predict", "false", Identity::no,
                           "print what the cost model expects of the study, and measure nothing"},
                          of(&Scale::predict)),

          }};
}

}  // namespace apportion
