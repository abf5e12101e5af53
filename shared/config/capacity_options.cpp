#include "shared/config/capacity_options.h"

namespace apportion {

OptionGroup capacity_options() {
  using Capacity = CapacityConfig;
  auto of = [](auto member) { return field(&RunConfig::capacity, member); };
  return {
      "Planning (apportion plan)",
      {
          text_option({"plan_machine", "h100-80", Identity::no,
                       "the ranks' machine: cpu, a100-80, h100-80, h200-141 or b200-180"},
                      of(&Capacity::machine), "NAME", EmptyText::refused),
          integers_option(
              {"plan_ranks", "8,16,32,64,128,256,512,1024", Identity::no, "numbers of ranks to predict for"},
              of(&Capacity::ranks), {1, 1'048'576}),
          choice_option(
              {"plan_scaling", "weak", Identity::no,
               "weak: one micro-batch per rank; strong: the job's micro_batches spread over all ranks"},
              of(&Capacity::scaling), Names<Scaling>{{"weak", Scaling::weak}, {"strong", Scaling::strong}}),
          integer_option({"plan_tokens", "2048", Identity::no, "distinct tokens per micro-batch"},
                         of(&Capacity::tokens), {1, 16'777'216}),
          integer_option({"plan_path", "256", Identity::no, "tokens that a token attends to, on average"},
                         of(&Capacity::path), {1, 1'048'576}),
          integer_option({"plan_rows", "512", Identity::no, "rows per micro-batch whose log-probs are read"},
                         of(&Capacity::rows), {1, 16'777'216}),
          choice_option({"plan_tuning", "adapter", Identity::no, "adapter: LoRA; full: all weights"},
                        of(&Capacity::tuning),
                        Names<Tuning>{{"adapter", Tuning::adapter}, {"full", Tuning::full}}),
          path_option({"plan_coefficients", "", Identity::no,
                       "file with coefficients measured on the machine; empty: assumed ones"},
                      of(&Capacity::coefficients), "FILE", EmptyText::allowed),
      }};
}

OptionGroup scale_options() {
  using Scale = ScaleConfig;
  auto of = [](auto member) { return field(&RunConfig::scale, member); };
  using Scalings = std::vector<Scaling>;
  Names<Scalings> scalings = {
      {"weak", {Scaling::weak}}, {"strong", {Scaling::strong}}, {"both", {Scaling::weak, Scaling::strong}}};
  return {
      "Scaling studies (apportion scale)",
      {
          text_option({"scale_shapes", "350m", Identity::no,
                       "synthetic models, separated by blanks; each as after 'shape:' in the key model"},
                      of(&Scale::shapes), "SHAPES", EmptyText::refused),
          integers_option(
              {"scale_ranks", "1,2", Identity::no, "numbers of ranks to measure on, each at most the job's"},
              of(&Scale::ranks), {1, 1'048'576}),
          integers_option(
              {"scale_shard_sizes", "1", Identity::no,
               "numbers of ranks that hold the base together; measured where they divide the ranks"},
              of(&Scale::shard_sizes), {1, 1'048'576}),
          choice_option(
              {"scale_scaling", "both", Identity::no,
               "weak: one micro-batch per rank; strong: the job's micro_batches spread over all ranks"},
              of(&Scale::scaling), scalings),
          integer_option({"scale_tokens", "800", Identity::yes,
                          "distinct tokens per micro-batch, rounded down so that prompts are equally long"},
                         of(&Scale::tokens), {1, 16'777'216}),
          integer_option({"scale_prompts", "4", Identity::yes, "prompts per micro-batch"},
                         of(&Scale::prompts), {1, most_prompts}),
          integer_option({"scale_branches", "4", Identity::yes, "answers per prompt, of 8 tokens each"},
                         of(&Scale::branches), {1, 1024}),
          integer_option(
              {"scale_steps", "5", Identity::yes, "timed steps, after a first one that is not timed"},
              of(&Scale::steps), {1, 10'000}),
          flag_option(
              {"scale_predict", "false", Identity::no, "only print what the cost model expects of the study"},
              of(&Scale::predict)),

      }};
}

}  // namespace apportion
