// CSV fields: what a spreadsheet would take for a formula becomes text to it, and numbers stay numbers.
#include "coordinator/report/csv/csv_field.h"

#include <gtest/gtest.h>

#include <cmath>

namespace apportion {
namespace {

TEST(CsvField, IsQuotedWhereItHasToBe) {
  EXPECT_EQ(csv_field(std::string("plain, \"x\"")), "\"plain, \"\"x\"\"\"");
  EXPECT_EQ(csv_field(std::string("a\nb")), "\"a\nb\"");
  EXPECT_EQ(csv_field(std::string("it's = 1")), "it's = 1");
}

TEST(CsvField, HasAQuoteBeforeAFormula) {
  for (const char* text :
       {"=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "=", "-", "+2", "-inf", "\uFF1D1", "\uFF20x"})
    EXPECT_EQ(csv_field(std::string(text)), std::string("'") + text);
  EXPECT_EQ(csv_field(std::string("=cmd|' /C calc'!A0,\"")), "\"'=cmd|' /C calc'!A0,\"\"\"");
  EXPECT_EQ(csv_field(std::string("\r=1")), "\"'\r=1\"");
  EXPECT_EQ(csv_field(std::string("\n=1")), "\"'\n=1\"");
}

TEST(CsvField, KeepsNumbers) {
  for (const char* text : {"-1", "-0.5", "-1e-05", "12"}) EXPECT_EQ(csv_field(std::string(text)), text);
  EXPECT_EQ(csv_field(-0.25), "-0.25");
  EXPECT_EQ(csv_field(std::nan("")), "");
}

}  // namespace
}  // namespace apportion
