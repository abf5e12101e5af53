// Each fault that a file's columns can have is named.
#include "shared/store/columns.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/support/sample_results.h"

namespace apportion {
namespace {

std::string fault_after(const std::function<void(MeasureColumns&)>& change) {
  SampleSet set = sample_gender_set("v2");
  set.subjects.resize(2);
  set.target.resize(2);
  MeasureColumns columns = pack(sample_measure(set, {}, {}));
  change(columns);
  return find_fault(columns);
}

TEST(Columns, SoundColumnsHaveNoFault) {
  EXPECT_EQ(fault_after([](MeasureColumns&) {}), "");
}

TEST(Columns, NamesWrongShapes) {
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.prompts.shape = {6}; }), "");
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.subjects.shape = {3}; }), "");
  EXPECT_NE(fault_after([](MeasureColumns& c) {
              c.counts.shape = {2, 3, 3};
            }).find("/rounds/counts"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) {
              c.low.shape = {2, 3, 2, 1};
            }).find("/exact/low"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_count.shape = {1}; }).find("/answers"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.categories.shape = {0}; }), "");
}

/// Computing figures of 2^63 rounds took longer than anyone would wait.
TEST(Columns, NamesCountsThatNobodyAskedFor) {
  EXPECT_EQ(fault_after([](MeasureColumns& c) {
              c.counts.values[0] += uint64_t{1} << 63;
              c.answer_count.values[0] += uint64_t{1} << 63;
            }),
            "/rounds has a count above 1000000000");
}

TEST(Columns, NamesWrongValues) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(fault_after([&](MeasureColumns& c) { c.target.values[0] = nan; }).find("/target"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.target.values[0] += 0.1; }).find("/target"),
            std::string::npos);
  EXPECT_NE(fault_after([&](MeasureColumns& c) { c.low.values[1] = nan; }).find("/exact/low"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.high.values[1] -= 0.1; }).find("/exact/high"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.steering.values[0] = 1.5; }).find("steering"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_category.values[0] = 2; }).find("category"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_subject.values[0] = -1; }).find("prompt"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_prompt.values[0] = 3; }).find("prompt"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_finish.values[0] = 2; }).find("finish"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { c.answer_finish.values[0] = 1; }).find("cut"),
            std::string::npos);
  EXPECT_NE(fault_after([](MeasureColumns& c) { ++c.counts.values[0]; }).find("/rounds/counts"),
            std::string::npos);
}

}  // namespace
}  // namespace apportion
