// Texts to values and back for every kind of option, with what must be refused.
#include "shared/config/option.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

Option rank_option() {
  return integer_option({"lora_rank", "32", Identity::yes, "rank"},
                        field(&RunConfig::lora, &LoraConfig::rank), {1, 4096, "a reason"});
}

TEST(IntegerOption, TakesItsRangeAndNothingElse) {
  Option option = rank_option();
  RunConfig config;
  for (const char* text : {"1", "4096", "007"}) EXPECT_TRUE(option.assign(config, text)) << text;
  EXPECT_EQ(config.lora.rank, 7);
  for (const char* text : {"0", "4097", "-1", "+1", "1.0", "1e2", "0x10", "", " 1", "1 ", "one",
                           "18446744073709551617", "99999999999999999999999"}) {
    EXPECT_FALSE(option.assign(config, text)) << text;
  }
  EXPECT_EQ(config.lora.rank, 7) << "a refused text changed the field";
  EXPECT_EQ(option.allowed, "an integer from 1 to 4096 (a reason)");
}

TEST(IntegerOrAutoOption, TakesTheWordAndItsRange) {
  Option option = integer_or_auto_option({"shard_size", "auto", Identity::no, ""},
                                         field(&RunConfig::ranks, &RanksConfig::shard_size), {1, 8});
  RunConfig config;
  ASSERT_TRUE(option.assign(config, "4"));
  EXPECT_EQ(config.ranks.shard_size, 4);
  EXPECT_EQ(option.print(config), "4");
  for (const char* text : {"9", "-1", "Auto", "auto ", ""}) EXPECT_FALSE(option.assign(config, text)) << text;
  EXPECT_EQ(config.ranks.shard_size, 4);
  for (const char* text : {"auto", "0"}) {
    ASSERT_TRUE(option.assign(config, text)) << text;
    EXPECT_EQ(config.ranks.shard_size, 0);
    EXPECT_EQ(option.print(config), "auto");
    config.ranks.shard_size = 4;
  }
  EXPECT_EQ(option.allowed, "auto, or an integer from 1 to 8");
}

TEST(IntegerOption, HoldsAWholeSeed) {
  Option option =
      integer_option({"seed", "0", Identity::yes, ""}, field(&RunConfig::data, &DataConfig::seed), {});
  RunConfig config;
  ASSERT_TRUE(option.assign(config, "18446744073709551615"));
  EXPECT_EQ(config.data.seed, 18446744073709551615u);
  EXPECT_EQ(option.print(config), "18446744073709551615");
}

TEST(NumberOption, KeepsBoundsApart) {
  Option option = number_option({"adam_beta1", "0.9", Identity::yes, ""},
                                field(&RunConfig::optimizer, &OptimizerConfig::beta1),
                                {0, Bound::excluded, 1, Bound::included});
  RunConfig config;
  for (const char* text : {"1", "1e-300", "0.5", ".5"}) EXPECT_TRUE(option.assign(config, text)) << text;
  for (const char* text : {"0", "-0.0", "1.0000001", "nan", "inf", "-inf", "1e999", "", "0,5", "0.5x"}) {
    EXPECT_FALSE(option.assign(config, text)) << text;
  }
  EXPECT_EQ(option.allowed, "a number above 0, at most 1");
}

TEST(NumberOption, PrintsTheShortestTextThatParsesBackExactly) {
  for (double value : {0.1, 1e-5, 2e-4, 1.0 / 3, 5e-324, 123456789.125, 1.0, 0.30000000000000004}) {
    double parsed = 0;
    ASSERT_TRUE(parse_number(print_number(value), parsed)) << print_number(value);
    EXPECT_EQ(parsed, value);
  }
  EXPECT_EQ(print_number(1e-5), "1e-05");
  EXPECT_EQ(print_number(1e-3), "0.001");
}

TEST(FlagOption, IsTrueOrFalse) {
  Option option =
      flag_option({"force", "false", Identity::no, ""}, field(&RunConfig::output, &OutputConfig::force));
  RunConfig config;
  EXPECT_TRUE(option.assign(config, "true"));
  EXPECT_TRUE(config.output.force);
  EXPECT_FALSE(option.assign(config, "maybe"));
  EXPECT_TRUE(config.output.force);
  EXPECT_TRUE(option.assign(config, "false"));
  EXPECT_FALSE(config.output.force);
}

TEST(ChoiceOption, MapsNamesBothWays) {
  Option option = choice_option(
      {"method", "full", Identity::no, ""}, field(&RunConfig::method),
      std::vector<std::pair<std::string, Method>>{{"sft", Method::sft}, {"full", Method::full}});
  RunConfig config;
  EXPECT_TRUE(option.assign(config, "sft"));
  EXPECT_EQ(config.method, Method::sft);
  EXPECT_EQ(option.print(config), "sft");
  EXPECT_FALSE(option.assign(config, "SFT"));
  EXPECT_FALSE(option.assign(config, ""));
}

Option targets(ListOrder order) {
  return list_option({"lora_targets", "a", Identity::yes, ""}, field(&RunConfig::lora, &LoraConfig::targets),
                     {"a", "b", "c"}, order);
}

TEST(ListOption, OrdersSetsAndKeepsSequences) {
  RunConfig config;
  ASSERT_TRUE(targets(ListOrder::as_allowed).assign(config, "c, a"));
  EXPECT_EQ(config.lora.targets, (std::vector<std::string>{"a", "c"}));
  ASSERT_TRUE(targets(ListOrder::as_written).assign(config, " c ,\ta"));
  EXPECT_EQ(targets(ListOrder::as_written).print(config), "c,a");
}

TEST(ListOption, RefusesUnknownRepeatedAndEmptyWords) {
  RunConfig config;
  for (const char* text : {"", "d", "a,a", "a,", ",a", "a,,b", "a b", "a;b"}) {
    EXPECT_FALSE(targets(ListOrder::as_written).assign(config, text)) << text;
  }
}

TEST(TextOption, RefusesWhatAJobFileCannotHold) {
  RunConfig config;
  Option dataset = text_option({"dataset", "x", Identity::no, ""},
                               field(&RunConfig::data, &DataConfig::dataset), "PATH", EmptyText::refused);
  Option output = text_option({"output", "", Identity::no, ""},
                              field(&RunConfig::output, &OutputConfig::directory), "DIR", EmptyText::allowed);
  EXPECT_TRUE(dataset.assign(config, "/data/Größe, und mehr=x"));
  for (const char* text : {"a#b", " a", "a\t", "a\nb", "\x1b[2J", "caf\xE9"})
    EXPECT_FALSE(dataset.assign(config, text)) << text;
  EXPECT_FALSE(dataset.assign(config, ""));
  EXPECT_TRUE(output.assign(config, ""));
}

TEST(Printable, KeepsErrorsOneShortLine) {
  EXPECT_EQ(printable("a\nb\x1b"), "a\\x0ab\\x1b");
  EXPECT_EQ(printable("caf\xE9"), "caf\\xe9");
  EXPECT_EQ(printable("café"), "café");
  EXPECT_EQ(printable(std::string(1000, 'x')).size(), 83u);
}

}  // namespace
}  // namespace apportion
