// Columns are as wide as their widest cell; names left, numbers right.
#include "coordinator/report/table.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

TEST(Table, AlignsItsColumns) {
  Table table({{"name", Align::left}, {"n"}});
  table.add_row({"é", "10"});
  table.add_row({"longer", "5"});
  EXPECT_EQ(table.render({Charset::ascii, Color::off, false}, 1),
            " name     n\n"
            " ----------\n"
            " é       10\n"
            " longer   5\n");
}

TEST(Table, ARowHasACellPerColumn) {
  Table table({{"name", Align::left}});
  EXPECT_THROW(table.add_row({}), InternalError);
}

}  // namespace
}  // namespace apportion
