// Messages are one line, whatever they quote.
#include "shared/base/error.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

TEST(Error, MessagesAreOneLine) {
  EXPECT_STREQ(UserError("config.json: a\nb\x1B[31m\r\x7F is not known").what(),
               "config.json: a b [31m   is not known");
  EXPECT_STREQ(DataError("a\nfile", 7, "caf\u00E9\t!").what(), "a file, byte 7: caf\u00E9 !");
  EXPECT_EQ(DataError("a\nfile", 7, "").path(), "a\nfile");
}

TEST(Error, ATerminalObeysNothingOfAMessage) {
  EXPECT_EQ(one_line("a\u0080b\u009Fc"), "a  b  c");
  // Nothing is lost: not a truncated character, not what follows it, not later characters.
  EXPECT_EQ(one_line("\xC2\"a\xC2"), "\xC2\"a\xC2");
  EXPECT_EQ(one_line("\xC2\n\u00A0\xC2\xC2\x85"), "\xC2 \u00A0\xC2  ");
  EXPECT_EQ(control_length("\n", 0), 1U);
  EXPECT_EQ(control_length("\u0085", 0), 2U);
  EXPECT_EQ(control_length("\u0085", 1), 0U);
}

}  // namespace
}  // namespace apportion
