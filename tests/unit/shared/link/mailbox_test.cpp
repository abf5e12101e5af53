// What a mailbox does when no more messages can come.
#include "shared/link/mailbox.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

using std::chrono::milliseconds;

TEST(Mailbox, GivesWhatCameBeforeItFailed) {
  Mailbox box;
  box.put(1, encode(Stop{}));
  box.fail(std::make_exception_ptr(RankError(1, "lost")));
  EXPECT_TRUE(box.take(milliseconds(0)));
  EXPECT_THROW(box.take(milliseconds(0)), RankError);
}

TEST(Mailbox, NamesTheSenderOfBytesThatAreNoMessage) {
  Mailbox box;
  box.put(5, "nonsense");
  try {
    box.take(milliseconds(0));
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("rank 5"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace apportion
