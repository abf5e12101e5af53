// Bars, sparklines, widths, and what is detected about the output.
#include "coordinator/report/style.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace apportion {
namespace {

const Style unicode{Charset::unicode, Color::off, false};
const Style ascii{Charset::ascii, Color::off, false};

TEST(Style, BarsAreAsLongAsTheirShare) {
  EXPECT_EQ(bar(unicode, 0.5, 4), "██  ");
  EXPECT_EQ(bar(unicode, 1, 4), "████");
  EXPECT_EQ(bar(unicode, 3.0 / 32, 4), "▍   ");
  EXPECT_EQ(bar(unicode, 7, 2), "██");
  EXPECT_EQ(bar(unicode, NAN, 2), "  ");
  EXPECT_EQ(bar(ascii, 0.5, 4), "##..");
  for (int i = 0; i <= 100; ++i) EXPECT_EQ(columns_of(bar(unicode, i / 100.0, 8)), 8);
}

TEST(Style, SparksHaveAColumnPerShare) {
  EXPECT_EQ(spark(unicode, {0, 1, 0.25}), "▁█▅");
  EXPECT_EQ(spark(ascii, {0, 1, 0.25}), "092");
}

TEST(Style, WidthsCountNoEscapes) {
  EXPECT_EQ(columns_of("\x1b[32m█▍\x1b[0m a"), 4);
  EXPECT_EQ(left("é", 3), "é  ");
  EXPECT_EQ(right("é", 3), "  é");
  EXPECT_EQ(left("long", 2), "long");
  EXPECT_EQ(without_paint("\x1b[32m█▍a\x1b[0mb", 3), "█▍a");
}

TEST(Style, WidthsAreThoseOfATerminal) {
  EXPECT_EQ(columns_of("\x1b[1m男性\x1b[0me\u0301"), 5);
  EXPECT_EQ(left("男", 3), "男 ");
  EXPECT_EQ(right("👩\u200D⚕\uFE0F", 3), " 👩\u200D⚕\uFE0F");
  EXPECT_EQ(printable(unicode, "看護師さん", 6), "看護…");
  EXPECT_EQ(printable(unicode, "e\u0301e\u0301e\u0301", 3), "e\u0301e\u0301e\u0301");
  EXPECT_EQ(without_paint("\x1b[32m男性\x1b[0m", 3), "男");
}

TEST(Style, PrintableReplacesControlsAndCuts) {
  EXPECT_EQ(printable(unicode, "a\tb\x7f"), "a?b?");
  EXPECT_EQ(printable(unicode, "x\xC2\x9Bm"), "x?m");  // the one-character form of ESC [
  EXPECT_EQ(printable(unicode, "naïve café", 6), "naïve…");
  EXPECT_EQ(printable(ascii, "naïve café", 6), "na?ve.");
  EXPECT_EQ(printable(unicode, "naïve", 5), "naïve");
}

TEST(Style, PaintsOnlyWithColour) {
  EXPECT_EQ(painted(unicode, Paint::red, "x"), "x");
  EXPECT_EQ(painted({Charset::unicode, Color::on, true}, Paint::red, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(painted({Charset::unicode, Color::on, true}, Paint::plain, "x"), "x");
}

TEST(Style, AFileIsNoTerminalAndTheLocaleDecides) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  ::setenv("LC_ALL", "C", 1);
  EXPECT_EQ(detect_style(file).charset, Charset::ascii);
  EXPECT_EQ(detect_style(file).color, Color::off);
  EXPECT_FALSE(detect_style(file).terminal);
  ::setenv("LC_ALL", "de_DE.utf8", 1);
  EXPECT_EQ(detect_style(file).charset, Charset::unicode);
  ::unsetenv("LC_ALL");
  std::fclose(file);
}

}  // namespace
}  // namespace apportion
