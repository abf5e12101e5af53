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

}  // namespace
}  // namespace apportion
