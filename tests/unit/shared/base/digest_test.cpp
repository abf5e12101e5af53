// SHA-256 against the known answers of the FIPS 180-4 examples (NIST's CAVP and "SHA-256 examples").
#include "shared/base/digest.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "shared/base/error.h"
#include "shared/base/file_system.h"

namespace apportion {
namespace {

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, PiecesAreTheWhole) {
  std::string text(1000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  for (size_t cut : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{999}}) {
    EXPECT_EQ(Digest().add(text.substr(0, cut)).add(text.substr(cut)).hex(), sha256(text)) << cut;
  }
}

TEST(Digest, FileIsItsBytes) {
  std::string path = testing::TempDir() + "digest_test_" + std::to_string(::getpid());
  write_file(path, "abc");
  EXPECT_EQ(sha256_file(path), sha256("abc"));
  std::filesystem::remove(path);
  EXPECT_THROW(sha256_file(path), UserError);
}

}  // namespace
}  // namespace apportion
