// The first 512 bytes prove the rest.
#include "shared/store/seal.h"

#include <gtest/gtest.h>

#include "shared/base/error.h"

namespace apportion {
namespace {

std::string fault_of(const std::string& bytes) {
  try {
    check_seal("file.h5", bytes);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(Seal, AcceptsItsBodyOnly) {
  EXPECT_EQ(make_seal("body").size(), seal_size);
  EXPECT_EQ(fault_of(make_seal("body") + "body"), "");
  EXPECT_EQ(fault_of(make_seal("") + ""), "");
  EXPECT_NE(fault_of(make_seal("body") + "bodY").find("damaged"), std::string::npos);
  EXPECT_NE(fault_of(make_seal("body") + "bod").find("cut or extended"), std::string::npos);
}

TEST(Seal, EveryByteOfTheSealCounts) {
  const std::string bytes = make_seal("body") + "body";
  for (size_t i = 0; i < seal_size; ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 1;
    EXPECT_NE(fault_of(damaged), "") << i;
  }
}

TEST(Seal, OtherFilesAreNamedAsSuch) {
  EXPECT_NE(fault_of("").find("not a file that apportion wrote"), std::string::npos);
  EXPECT_NE(fault_of("\x89HDF\r\n\x1a\n").find("not a file that apportion wrote"), std::string::npos);
}

}  // namespace
}  // namespace apportion
