// The table of machines, and coefficient files with each mistake they can have.
#include "shared/model/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string head = R"({"format": "apportion coefficients", "version": 1, "machine": "h100-80")";

std::string error_of(const std::string& text) {
  try {
    parse_coefficients(text, "c.json", "h100-80");
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Machine, FiguresAreOfTheRightOrder) {
  for (const std::string& name : machine_names()) {
    const Machine& machine = find_machine(name);
    EXPECT_EQ(machine.name, name);
    // Memory is read in less than 10 s, and there are 10 to 1000 FLOPs per byte: a unit wrong by a factor of
    // a thousand fails.
    EXPECT_LT(machine.memory_bytes / machine.memory_bandwidth, 10) << name;
    EXPECT_GT(machine.peak_flops / machine.memory_bandwidth, 10) << name;
    EXPECT_LT(machine.peak_flops / machine.memory_bandwidth, 1000) << name;
    EXPECT_GT(machine.peak_flops / machine.float_flops, 2) << name;
    EXPECT_LT(machine.peak_flops / machine.float_flops, 40) << name;
    EXPECT_LT(machine.link_bandwidth, machine.memory_bandwidth) << name;
    EXPECT_LT(machine.network_bandwidth, machine.link_bandwidth) << name;
    EXPECT_FALSE(machine.source.empty()) << name;
  }
}

TEST(Machine, AnUnknownOneNamesTheNearestAndAll) {
  try {
    find_machine("h100");
    FAIL() << "no error";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("the nearest is h100-80"), HasSubstr("cpu, a100-80, h100-80")));
  }
}

TEST(Coefficients, AFileReplacesWhatItNames) {
  const CalibratedMachine result = parse_coefficients(
      head +
          R"(, "source": "measured", "matrix_efficiency": 0.55, "network_bandwidth": 25e9, "ranks_per_node": 4,
                "link_latency_s": 0})",
      "c.json", "h100-80");
  EXPECT_EQ(result.coefficients.matrix_efficiency, 0.55);
  EXPECT_EQ(result.coefficients.link_latency_s, 0);
  EXPECT_EQ(result.coefficients.source, "measured");
  EXPECT_EQ(result.machine.network_bandwidth, 25e9);
  EXPECT_EQ(result.machine.ranks_per_node, 4);
  const Coefficients untouched = default_coefficients(find_machine("h100-80"));
  EXPECT_EQ(result.coefficients.memory_efficiency, untouched.memory_efficiency);
  EXPECT_EQ(result.machine.peak_flops, find_machine("h100-80").peak_flops);
}

TEST(Coefficients, MistakesNameFileAndKey) {
  EXPECT_EQ(error_of("no json"), "c.json: this is not a JSON object");
  EXPECT_THAT(error_of("{}"), HasSubstr("format and version must be"));
  EXPECT_THAT(error_of(R"({"format": "apportion coefficients", "version": 2})"),
              HasSubstr("format and version"));
  EXPECT_THAT(error_of(R"({"format": "apportion coefficients", "version": 1, "machine": "cpu"})"),
              HasSubstr("machine is \"cpu\"; the plan is for \"h100-80\""));
  EXPECT_THAT(error_of(head + "}"), HasSubstr("source must be a text that says"));
  const std::string start = head + R"(, "source": "x", )";
  EXPECT_THAT(error_of(start + R"("matrix_eficiency": 1})"), HasSubstr("did you mean 'matrix_efficiency'?"));
  EXPECT_THAT(error_of(start + R"("matrix_efficiency": 0})"),
              HasSubstr("matrix_efficiency is 0; expected a number above 0, at most 1"));
  EXPECT_THAT(error_of(start + R"("matrix_efficiency": 1.5})"), HasSubstr("at most 1"));
  EXPECT_THAT(error_of(start + R"("memory_scale": "1"})"), HasSubstr("memory_scale is \"1\""));
  EXPECT_THAT(error_of(start + R"("step_overhead_s": -1})"), HasSubstr("a number at least 0, at most 100"));
  EXPECT_THAT(error_of(start + R"("ranks_per_node": 0})"), HasSubstr("an integer from 1 to 1024"));
}

}  // namespace
}  // namespace apportion
