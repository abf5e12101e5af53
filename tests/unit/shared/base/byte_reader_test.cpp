// Reading untrusted bytes: values, and a DataError with the offset for every length that does not fit.
#include "shared/base/byte_reader.h"

#include <gtest/gtest.h>

namespace apportion {
namespace {

std::string little_endian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

TEST(ByteReader, ReadsLittleEndianInOrder) {
  std::string bytes("\x01\x02\x03\x04\xff\x00\x00\x80\x3f", 9);
  ByteReader reader(bytes, "file");
  EXPECT_EQ(reader.read<uint32_t>("a number"), 0x04030201u);
  EXPECT_EQ(reader.read<int8_t>("a byte"), -1);
  EXPECT_EQ(reader.offset(), 5u);
  EXPECT_EQ(reader.read<float>("a float"), 1.0f);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, ReadsAStringWithItsLength) {
  std::string bytes = little_endian(3) + "abcd";
  ByteReader reader(bytes, "file");
  EXPECT_EQ(reader.read_string("a name"), "abc");
  EXPECT_EQ(reader.remaining(), 1u);
}

TEST(ByteReader, EmptyReadsAtTheEndAreFine) {
  ByteReader reader("", "file");
  EXPECT_EQ(reader.read_bytes(0, "nothing"), "");
}

TEST(ByteReader, EveryTruncationIsAnErrorAtItsPlace) {
  std::string whole = little_endian(3) + "abc";
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string bytes = whole.substr(0, size);
    ByteReader reader(bytes, "model.gguf");
    try {
      reader.read_string("a name");
      FAIL() << "read a string from " << size << " bytes";
    } catch (const DataError& error) {
      EXPECT_EQ(error.offset(), size < 8 ? 0u : 8u);
      EXPECT_EQ(error.path(), "model.gguf");
      EXPECT_EQ(std::string(error.what()).find("model.gguf, byte "), 0u);
      EXPECT_NE(std::string(error.what()).find("inside a name"), std::string::npos);
    }
  }
}

TEST(ByteReader, AbsurdLengthsDoNotOverflow) {
  for (uint64_t length : {UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63, uint64_t{4}}) {
    std::string bytes = little_endian(length) + "abc";
    ByteReader reader(bytes, "file");
    EXPECT_THROW(reader.read_string("a name"), DataError) << length;
  }
}

TEST(ByteReader, AFailedReadTakesNothing) {
  ByteReader reader("abc", "file");
  EXPECT_THROW(reader.read<uint32_t>("a number"), DataError);
  EXPECT_EQ(reader.offset(), 0u);
  EXPECT_EQ(reader.read_bytes(3, "the rest"), "abc");
}

}  // namespace
}  // namespace apportion
