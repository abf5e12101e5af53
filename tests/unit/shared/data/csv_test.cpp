// RFC 4180 tables, right and wrong.
#include "shared/data/csv.h"

#include <gtest/gtest.h>

#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

std::vector<CsvRow> rows_of(const std::string& content) {
  DatasetFolder folder;
  return read_csv(folder.write("t.csv", content));
}

/// The error's text after "FILE, ".
std::string complaint(const std::string& content) {
  DatasetFolder folder;
  const std::string path = folder.write("t.csv", content);
  const std::string message = error_of([&] { read_csv(path); });
  return message.starts_with(path + ", ") ? message.substr(path.size() + 2) : message;
}

TEST(Csv, ReadsQuotedCells) {
  const std::vector<CsvRow> rows = rows_of("a,b\n\"x, \"\"y\"\"\",2\n\"line\nbreak\",\nlast,\"\"");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1].cells, (std::vector<std::string>{"x, \"y\"", "2"}));
  EXPECT_EQ(rows[2].cells, (std::vector<std::string>{"line\nbreak", ""}));
  EXPECT_EQ(rows[3].cells, (std::vector<std::string>{"last", ""}));
  EXPECT_EQ(rows[2].line, 3u);
  EXPECT_EQ(rows[3].line, 5u);  // the cell above took two lines
}

TEST(Csv, TakesCrlfAndEmptyLinesAtTheEnd) {
  const std::vector<CsvRow> rows = rows_of("a,b\r\n\"1\",2\r\n\r\n\r\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].cells, (std::vector<std::string>{"1", "2"}));
}

TEST(Csv, TakesWhatSpreadsheetsWrite) {
  for (const std::string mark : {";", "\t"}) {
    const std::vector<CsvRow> rows = rows_of("a" + mark + "b\n\"x" + mark + "y\"" + mark + "1,5\n");
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[1].cells, (std::vector<std::string>{"x" + mark + "y", "1,5"}));
  }
  EXPECT_EQ(rows_of("a,b;c\n")[0].cells, (std::vector<std::string>{"a", "b;c"}));
  EXPECT_EQ(rows_of("\"a;b\",c\n")[0].cells, (std::vector<std::string>{"a;b", "c"}));
  const std::vector<CsvRow> stated = rows_of("sep=|\r\na|b,c\r\n1|2\r\n");
  ASSERT_EQ(stated.size(), 2u);
  EXPECT_EQ(stated[0].cells, (std::vector<std::string>{"a", "b,c"}));
  EXPECT_EQ(stated[0].line, 2u);
  EXPECT_EQ(complaint("sep=ab\na,b\n"),
            "line 1: \"sep=\" is followed by the one character that separates cells, as in \"sep=;\"");
}

TEST(Csv, NamesTheLineOfAMistake) {
  EXPECT_EQ(complaint("a,b\n1,2,3\n"),
            "line 2: 3 cells; the header has 2 (quote a cell that holds the separator)");
  EXPECT_EQ(complaint("a,b\n\n1,2\n"), "line 2: an empty line; remove it");
  EXPECT_EQ(complaint("a,b\n1,x\"y\"\n"),
            "line 2: a quote inside a cell; quote the whole cell and double the quote");
  EXPECT_EQ(complaint("a,b\n\"1\"x,2\n"),
            "line 2: text after a closing quote; double the quotes inside a quoted cell");
  EXPECT_EQ(complaint("a,b\n1,\"2\n3,4\n"),
            "line 2: a quoted cell without its closing quote; add \" at the cell's end");
  EXPECT_EQ(complaint("\n"), "line 1: the table is empty; the first line names the columns");
}

}  // namespace
}  // namespace apportion
