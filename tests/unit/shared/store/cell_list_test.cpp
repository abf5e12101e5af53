// The list of an index's cells: what was put in comes back, and what is not a list is refused.
#include "shared/store/cell_list.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "shared/base/error.h"
#include "shared/store/layout.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

class CellListTest : public testing::Test {
 protected:
  std::vector<Cell> through_a_file(const CellList& list) const {
    const std::string path = directory_.path() + "/list.h5";
    Hdf5Writer writer(path);
    writer.dataset(layout::cell_texts, list.texts);
    writer.dataset(layout::cell_targets, list.targets);
    writer.commit();
    Hdf5Reader reader(path);
    return unpack_cells(reader, {reader.dataset<std::string>(layout::cell_texts),
                                 reader.dataset<double>(layout::cell_targets)});
  }

  TemporaryDirectory directory_;
};

Cell whole_cell() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Cell cell{"job", "target=0.9:0.1", {{"before/v2", "1"}, {"after/v2", "2"}}, {{"sft", "3"}}};
  cell.judged = {{"after/v3/lexical", "4"}};
  cell.retention = "5";
  cell.about = {"gender", "full", "smollm2", "0.9/0.1", {{"target", "0.9/0.1"}, {"seed", "1"}}, {}, 7};
  cell.about.targets = {{"ood", {{nan, nan}, {0.25, 0.75}}}, {"v2", {{1.0 / 3, 2.0 / 3}}}};
  return cell;
}

TEST_F(CellListTest, CellsComeBackWhole) {
  const std::vector<Cell> cells =
      through_a_file(pack_cells({whole_cell(), {"other", "plain", {}, {}}, whole_cell()}));
  ASSERT_EQ(cells.size(), 3u);
  EXPECT_EQ(cells[1].job, "other");
  EXPECT_TRUE(cells[1].about.method.empty() && cells[1].measures.empty() && !cells[1].about.place);
  for (const Cell* cell : {&cells[0], &cells[2]}) {
    const Cell wanted = whole_cell();
    EXPECT_EQ(cell->name, wanted.name);
    EXPECT_EQ(cell->measures, wanted.measures);
    EXPECT_EQ(cell->training, wanted.training);
    EXPECT_EQ(cell->judged, wanted.judged);
    EXPECT_EQ(cell->retention, wanted.retention);
    EXPECT_EQ(cell->about.swept, wanted.about.swept);
    EXPECT_EQ(cell->about.target, wanted.about.target);
    EXPECT_EQ(cell->about.place, 7u);
    EXPECT_EQ(cell->about.targets.at("v2"), wanted.about.targets.at("v2"));
    EXPECT_TRUE(std::isnan(cell->about.targets.at("ood")[0][0]));
    EXPECT_EQ(cell->about.targets.at("ood")[1], wanted.about.targets.at("ood")[1]);
  }
  EXPECT_TRUE(through_a_file(pack_cells({})).empty());
}

TEST_F(CellListTest, WhatIsNoListIsDamage) {
  const CellList good = pack_cells({whole_cell()});
  auto refuses = [&](CellList list) {
    EXPECT_THROW(through_a_file(list), DataError) << list.texts.values[0];
  };
  auto with = [&](const std::string& from, const std::string& to) {
    CellList list = good;
    std::string& text = list.texts.values[0];
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return list;
  };
  refuses(with("{", ""));
  refuses(with("\"job\":\"job\"", "\"job\":1"));
  refuses(with("\"before/v2\":\"1\"", "\"before/v2\":\"../../secret\""));
  refuses(with("\"retention\":\"5\"", "\"retention\":\"..\""));
  refuses(with("\"ood\":[2,2]", "\"ood\":[3,2]"));
  refuses(with("\"ood\":[2,2]", "\"ood\":[1,2]"));
  refuses(with("\"ood\":[2,2]", "\"ood\":[9223372036854775807,9223372036854775807]"));
  refuses(with("\"place\":7", "\"place\":\"7\""));
}

}  // namespace
}  // namespace apportion
