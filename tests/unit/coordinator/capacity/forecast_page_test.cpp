// A plan's page and JSON, and mistakes that only the whole command can see.
#include "coordinator/capacity/forecast_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "shared/base/error.h"
#include "shared/base/file_system.h"
#include "tests/support/small_job.h"

namespace apportion {
namespace {

using testing::HasSubstr;

RunConfig config_of(std::map<std::string, std::string> changes) {
  changes.emplace("model", "shape:llama-3.1-405b");
  changes.emplace("plan_ranks", "8,256");
  return default_config(changes);
}

TEST(ForecastPage, SaysWhatFitsAndWhatIsAssumed) {
  const std::string page = render_forecast(config_of({}));
  EXPECT_THAT(page, HasSubstr("shape:llama-3.1-405b: 406G parameters, on h100-80"));
  EXPECT_THAT(page, HasSubstr("GiB on each rank"));
  EXPECT_THAT(page, HasSubstr("fewest ranks that fit: "));
  EXPECT_THAT(page, HasSubstr("assumed, not measured"));
  EXPECT_THAT(page, HasSubstr("one micro-batch a rank (weak scaling)"));
  EXPECT_THAT(page, HasSubstr("base frozen in bfloat16"));
  EXPECT_THAT(render_forecast(config_of({{"plan_tokens", "1000000"}})),
              HasSubstr("no number of ranks up to 4096 fits"));
  EXPECT_THAT(render_forecast(config_of({{"plan_tuning", "full"}})), HasSubstr("all weights"));
}

TEST(ForecastPage, JsonHoldsTheSameFigures) {
  const nlohmann::json json = nlohmann::json::parse(render_forecast(config_of({{"json", "true"}})));
  EXPECT_EQ(json["parameters"], 405'853'388'800);
  EXPECT_EQ(json["options"]["plan_tokens"], "2048");
  ASSERT_EQ(json["ranks"].size(), 2u);
  EXPECT_FALSE(json["ranks"][0]["fits"].get<bool>());
  EXPECT_TRUE(json["ranks"][1]["fits"].get<bool>());
  const nlohmann::json& parts = json["ranks"][1]["bytes"];
  auto bytes = [&](const char* part) { return parts[part].get<double>(); };
  const double stays = bytes("blocks") + bytes("embedding") + bytes("trained") + bytes("positions");
  const double backward =
      bytes("activations") + std::max(bytes("vocabulary"), bytes("gathered") + bytes("workspace"));
  const Coefficients c = default_coefficients(find_machine("h100-80"));
  const double tensors =
      (stays + bytes("gradients") + std::max(backward, bytes("gradient_sum"))) * c.memory_scale;
  const double beside = json["ranks"][1]["beside_bytes"].get<double>();
  EXPECT_NEAR(json["ranks"][1]["needed_bytes"].get<double>(), tensors + beside, 1);
  EXPECT_GT(beside, 0.1 * tensors + 5e8);
  EXPECT_EQ(json["ranks"][1]["efficiency"], 1);
}

TEST(ForecastPage, AFileOfCoefficientsCounts) {
  const std::string path = testing::TempDir() + "coefficients_" + std::to_string(::getpid()) + ".json";
  write_file(
      path, R"({"format": "apportion coefficients", "version": 1, "machine": "h100-80", "source": "one night",
                       "memory_scale": 1.25, "matrix_efficiency": 0.2})");
  const RunConfig assumed = config_of({{"json", "true"}}),
                  measured = config_of({{"json", "true"}, {"plan_coefficients", path}});
  const nlohmann::json before = nlohmann::json::parse(render_forecast(assumed)),
                       after = nlohmann::json::parse(render_forecast(measured));
  EXPECT_EQ(after["coefficients"], "one night");
  EXPECT_GT(after["ranks"][1]["seconds"]["compute"], before["ranks"][1]["seconds"]["compute"]);
  EXPECT_GT(after["ranks"][1]["needed_bytes"], before["ranks"][1]["needed_bytes"]);
  ::unlink(path.c_str());
}

TEST(ForecastPage, Mistakes) {
  EXPECT_THROW(render_forecast(config_of({{"plan_machine", "h1000"}})), UserError);
  EXPECT_THROW(render_forecast(config_of({{"plan_coefficients", "/nowhere/c.json"}})), UserError);
  EXPECT_THROW(render_forecast(config_of({{"model", "shape:9b"}})), UserError);
  EXPECT_THROW(render_forecast(config_of({{"shard_size", "48"}})), UserError);
}

}  // namespace
}  // namespace apportion
