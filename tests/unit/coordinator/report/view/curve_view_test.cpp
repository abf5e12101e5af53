// Training curves: which ones there are, and that thinning keeps their ends.
#include "coordinator/report/view/curve_view.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace apportion {
namespace {

TrainLog log_of(int steps) {
  TrainLog log;
  for (int step = 0; step < steps; ++step) {
    log.step.push_back(step);
    log.loss.push_back(step == 777 ? -5 : std::sin(step));
    log.kl.push_back(std::exp(-0.01 * step));
    log.kto.push_back(std::numeric_limits<double>::quiet_NaN());
    log.retain.push_back(0);
  }
  return log;
}

TEST(CurveView, HasWhatTheStageHas) {
  const std::vector<CurveView> curves = curves_of(log_of(2000), 100);
  ASSERT_EQ(curves.size(), 2u) << "no KTO, and nothing is kept";
  EXPECT_STREQ(curves[0].metric.name, "loss");
  EXPECT_FALSE(curves[0].is_logarithmic);
  EXPECT_TRUE(curves[1].is_logarithmic) << "from 1 to 2e-9";
  EXPECT_EQ(curves[1].first, 1);
}

TEST(CurveView, ThinningKeepsTheExtremes) {
  const CurveView curve = curves_of(log_of(2000), 100).at(0);
  EXPECT_LE(curve.points.size(), 100u);
  double lowest = 0, before = -1;
  for (const auto& [step, value] : curve.points) {
    EXPECT_GT(step, before);
    before = step;
    lowest = std::min(lowest, value);
  }
  EXPECT_EQ(lowest, -5);
  EXPECT_EQ(curve.lowest, -5);
  EXPECT_EQ(curves_of(log_of(50), 100).at(0).points.size(), 50u) << "few steps are all there";
}

}  // namespace
}  // namespace apportion
