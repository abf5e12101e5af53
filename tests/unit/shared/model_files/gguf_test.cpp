// The reader on files that are right, that lie in one place each, and that are cut or damaged anywhere.
#include "shared/model_files/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/model/shape.h"
#include "shared/model_files/chat_template.h"
#include "shared/model_files/tokenizer.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class GgufTest : public testing::Test {
 protected:
  GgufTest() : path_(testing::TempDir() + "gguf_test_" + std::to_string(::getpid()) + ".gguf") {}
  ~GgufTest() override { ::unlink(path_.c_str()); }

  Gguf parse(const std::string& bytes) {
    write_bytes(path_, bytes);
    return Gguf(path_);
  }

  /// The message of the DataError that `bytes` raise; fails the test when they raise none.
  std::string error_of(const std::string& bytes) {
    try {
      parse(bytes);
    } catch (const DataError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(path_ + ", byte " + std::to_string(error.offset()) + ": "));
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::string path_;
};

template <typename Value>
std::string as_bytes(Value value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

TEST_F(GgufTest, ReadsEveryKindOfValue) {
  GgufWriter writer;
  writer.text("text", "two words").unsigned_integer("u32", 7).number("f32", 0.5F);
  writer.raw("i8", 1, as_bytes(int8_t{-5})).raw("u64", 10, as_bytes(uint64_t{1} << 63));
  writer.raw("i64", 11, as_bytes(int64_t{12})).raw("f64", 12, as_bytes(0.1)).raw("yes", 7, "\1");
  writer.texts("texts", {"a", "", "c"}).integers("integers", {-1, 2});
  writer.raw("halves", 9, as_bytes(uint32_t{6}) + as_bytes(uint64_t{2}) + as_bytes(0.5F) + as_bytes(2.0F));
  Gguf gguf = parse(writer.bytes());
  EXPECT_EQ(gguf.text("text"), "two words");
  EXPECT_EQ(gguf.integer("u32"), 7U);
  EXPECT_EQ(gguf.integer("u64"), uint64_t{1} << 63);
  EXPECT_EQ(gguf.integer("i64"), 12U);
  EXPECT_EQ(gguf.number("f32"), 0.5);
  EXPECT_EQ(gguf.number("f64"), 0.1);
  EXPECT_EQ(gguf.texts("texts"), (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(gguf.integers("integers"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(gguf.numbers("halves"), (std::vector<double>{0.5, 2.0}));
  EXPECT_TRUE(gguf.has("yes"));
  EXPECT_FALSE(gguf.has("no"));
  EXPECT_THROW(gguf.integer("i8"), DataError);  // negative
  EXPECT_THROW(gguf.text("u32"), DataError);    // of another kind
  EXPECT_THROW(gguf.number("absent"), DataError);
  EXPECT_THROW(gguf.tensor("absent"), DataError);
}

TEST_F(GgufTest, PlacesTensorsOutermostDimensionFirst) {
  GgufWriter writer;
  writer.tensor("a", TensorType::f32, {3}, std::string(12, 'a'));
  writer.tensor("b", TensorType::q8_0, {2, 64}, std::string(136, 'b'));
  Gguf gguf = parse(writer.bytes());
  EXPECT_EQ(gguf.tensors().size(), 2U);
  EXPECT_EQ(gguf.tensor("a").bytes, std::string(12, 'a'));
  EXPECT_EQ(gguf.tensor("b").bytes, std::string(136, 'b'));
  EXPECT_EQ(gguf.tensor("b").shape, (std::vector<uint64_t>{2, 64}));
  EXPECT_EQ(gguf.tensor("b").elements(), 128U);
  EXPECT_EQ(gguf.tensor("b").type, TensorType::q8_0);
  EXPECT_EQ(gguf.digest(), sha256_file(path_));
}

TEST_F(GgufTest, NamesAFileThatIsNotThere) { EXPECT_THROW(Gguf("/nowhere/model.gguf"), UserError); }

TEST_F(GgufTest, RefusesWhatIsNotGguf3) {
  EXPECT_THAT(error_of(""), HasSubstr("byte 0: "));
  EXPECT_THAT(error_of("hello, world"), HasSubstr("is it a GGUF file?"));
  std::string bytes = GgufWriter().bytes();
  bytes[4] = 2;
  EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("byte 4: "), HasSubstr("version 2")));
}

TEST_F(GgufTest, RefusesCountsThatTheFileCannotHold) {
  for (size_t at : {8, 16}) {
    std::string bytes = GgufWriter().text("key", "value").bytes();
    std::memset(bytes.data() + at, 0x7F, 8);
    EXPECT_THAT(error_of(bytes), HasSubstr("byte " + std::to_string(at) + ": ")) << at;
  }
  std::string huge = as_bytes(uint32_t{8}) + as_bytes(uint64_t{1} << 62);
  EXPECT_THAT(error_of(GgufWriter().raw("texts", 9, huge).bytes()),
              HasSubstr("texts has 4611686018427387904 elements"));
  EXPECT_THAT(error_of(GgufWriter().raw("text", 8, as_bytes(UINT64_MAX)).bytes()),
              HasSubstr("the file ends inside"));
}

TEST_F(GgufTest, RefusesKeysAndValuesThatMakeNoSense) {
  EXPECT_THAT(error_of(GgufWriter().text("a", "1").text("a", "2").bytes()), HasSubstr("a is there twice"));
  EXPECT_THAT(error_of(GgufWriter().text("", "1").bytes()), HasSubstr("a metadata key"));
  EXPECT_THAT(error_of(GgufWriter().text("a\nb", "1").bytes()), HasSubstr("a metadata key"));
  EXPECT_THAT(error_of(GgufWriter().raw("a", 13, "........").bytes()), HasSubstr("value type 13"));
  EXPECT_THAT(error_of(GgufWriter().raw("a", 7, "\2").bytes()), HasSubstr("boolean is 2"));
  std::string nested =
      as_bytes(uint32_t{9}) + as_bytes(uint64_t{1}) + as_bytes(uint32_t{4}) + as_bytes(uint64_t{0});
  EXPECT_THAT(error_of(GgufWriter().raw("a", 9, nested).bytes()), HasSubstr("array of arrays"));
  std::string big = as_bytes(uint32_t{10}) + as_bytes(uint64_t{1}) + as_bytes(UINT64_MAX);
  EXPECT_THAT(error_of(GgufWriter().raw("a", 9, big).bytes()), HasSubstr("above 2^63 - 1"));
  for (uint32_t alignment : {0U, 24U}) {
    EXPECT_THAT(error_of(GgufWriter().unsigned_integer("general.alignment", alignment).bytes()),
                HasSubstr("power of two"));
  }
}

TEST_F(GgufTest, RefusesTensorsThatMakeNoSense) {
  auto error = [&](uint32_t type, const std::vector<uint64_t>& shape, uint64_t offset) {
    GgufWriter writer;
    writer.tensor("first", TensorType::f32, {16}, std::string(64, 'x'));
    writer.lying_tensor("second", type, shape, offset);
    return error_of(writer.bytes());
  };
  EXPECT_THAT(error(2, {32}, 64), HasSubstr("second is of the type Q4_0; F32, F16"));
  EXPECT_THAT(error(0, {}, 64), HasSubstr("second has 0 dimensions"));
  EXPECT_THAT(error(0, {1, 1, 1, 1, 1}, 64), HasSubstr("second has 5 dimensions"));
  EXPECT_THAT(error(0, {4, 0}, 0), HasSubstr("second has a shape that is empty"));
  EXPECT_THAT(error(0, {uint64_t{1} << 32, uint64_t{1} << 32}, 0), HasSubstr("too large"));
  EXPECT_THAT(error(0, {UINT64_MAX, 3}, 0), HasSubstr("too large"));
  EXPECT_THAT(error(8, {32, 4}, 0), HasSubstr("whole blocks of Q8_0"));
  EXPECT_THAT(error(0, {4}, 4), HasSubstr("multiple of 32"));
  EXPECT_THAT(error(0, {4}, 64), HasSubstr("reach beyond the file's end"));
  EXPECT_THAT(error(0, {4}, UINT64_MAX - 31), HasSubstr("reach beyond the file's end"));
  EXPECT_THAT(error(0, {4}, 32), HasSubstr("first and second overlap"));
  EXPECT_THAT(error_of(GgufWriter()
                           .tensor("a", TensorType::f32, {1}, "1234")
                           .tensor("a", TensorType::f32, {1}, "1234")
                           .bytes()),
              HasSubstr("a is there twice"));
}

/// Everything that reads a model's file; true when all of it was accepted.
bool read_all(const std::string& path) {
  try {
    Gguf gguf(path);
    shape_of(gguf);
    Tokenizer tokenizer(gguf);
    ChatTemplate chat(gguf, tokenizer);
    chat.encode_prompt("Who is 1 nurse?");
    std::vector<float> values;
    for (const auto& [name, tensor] : gguf.tensors()) {
      values.resize(tensor.elements());
      dequantize(tensor.type, tensor.bytes, tensor.elements(), values.data());
    }
    return true;
  } catch (const DataError&) {
    return false;
  }
}

TinyModel smallest_model() {
  TinyModel model;
  model.layers = 1;
  model.width = model.ffn_width = 32;
  model.linear_type = TensorType::q4_1;
  model.embedding_type = TensorType::q8_0;
  return model;
}

TEST_F(GgufTest, EveryTruncationIsAnError) {
  std::string bytes = tiny_gguf(smallest_model());
  write_bytes(path_, bytes);
  ASSERT_TRUE(read_all(path_));
  for (size_t size = bytes.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0);
    ASSERT_FALSE(read_all(path_)) << "cut to " << size << " bytes";
  }
}

TEST_F(GgufTest, DamageAnywhereIsAnErrorOrHarmless) {
  std::string bytes = tiny_gguf(smallest_model());
  size_t header = bytes.find("output_norm.weight") + 64;
  write_bytes(path_, bytes);
  // Changed in place: some file systems flush a file that is written anew.
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  auto put = [&](size_t at, char byte) { file.seekp(static_cast<std::streamoff>(at)).put(byte); };
  CounterRng rng(1, "damage of a gguf file");
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<size_t> places;
    for (uint64_t flips = 1 + rng.below(3); flips > 0; --flips) {
      // Mostly in the header: weights may be anything.
      places.push_back(rng.below(rng.below(8) == 0 ? bytes.size() : header));
      put(places.back(),
          static_cast<char>(static_cast<uint8_t>(bytes[places.back()]) ^ (1U << rng.below(8))));
    }
    file.flush();
    refused += read_all(path_) ? 0 : 1;
    for (size_t at : places) put(at, bytes[at]);
  }
  ASSERT_TRUE(file.good());
  EXPECT_GT(refused, 2000);
  EXPECT_LT(refused, 4000);
}

}  // namespace
}  // namespace apportion
