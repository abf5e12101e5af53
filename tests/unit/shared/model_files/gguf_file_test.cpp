// The reader on correct files, on files that each lie in one place, and on files cut or damaged anywhere.
#include "shared/model_files/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <tuple>

#include "shared/architecture/shape.h"
#include "shared/base/counter_rng.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/model_files/gguf.h"
#include "shared/model_files/gguf_shape.h"
#include "shared/model_files/gguf_tokenizer.h"
#include "shared/tokens/chat_template.h"
#include "shared/tokens/tokenizer.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class GgufFileTest : public testing::Test {
 protected:
  GgufFileTest() : path_(testing::TempDir() + "gguf_file_test_" + std::to_string(::getpid()) + ".gguf") {}
  ~GgufFileTest() override { ::unlink(path_.c_str()); }

  Gguf parse(const std::string& bytes) {
    write_bytes(path_, bytes);
    return Gguf(path_);
  }

  /// The message of the DataError that `bytes` cause; fails the test if there is none.
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

TEST_F(GgufFileTest, ReadsEveryKindOfValue) {
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
  EXPECT_THROW(gguf.text("u32"), DataError);    // of a different kind
  EXPECT_THROW(gguf.number("absent"), DataError);
  EXPECT_THROW(gguf.tensor("absent"), DataError);
}

TEST_F(GgufFileTest, PlacesTensorsOutermostDimensionFirst) {
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

TEST_F(GgufFileTest, NamesAFileThatIsNotThere) { EXPECT_THROW(Gguf("/nowhere/model.gguf"), UserError); }

TEST_F(GgufFileTest, RefusesWhatIsNotGguf3) {
  EXPECT_THAT(error_of(""), HasSubstr("byte 0: "));
  EXPECT_THAT(error_of("hello, world"), HasSubstr("is it a GGUF file?"));
  std::string bytes = GgufWriter().bytes();
  bytes[4] = 2;
  EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("byte 4: "), HasSubstr("version 2")));
  std::swap(bytes[4] = 3, bytes[7]);
  EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("byte 4: "), HasSubstr("big-endian")));
}

TEST_F(GgufFileTest, RefusesCountsThatTheFileCannotHold) {
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

TEST_F(GgufFileTest, RefusesKeysAndValuesThatMakeNoSense) {
  EXPECT_THAT(error_of(GgufWriter().text("a", "1").text("a", "2").bytes()), HasSubstr("a appears twice"));
  EXPECT_THAT(error_of(GgufWriter().text("", "1").bytes()), HasSubstr("a metadata key"));
  EXPECT_THAT(error_of(GgufWriter().text("a\nb", "1").bytes()), HasSubstr("a metadata key"));
  EXPECT_THAT(error_of(GgufWriter().raw("a", 13, "........").bytes()), HasSubstr("value type 13"));
  EXPECT_THAT(error_of(GgufWriter().raw("a", 7, "\2").bytes()), HasSubstr("boolean is 2"));
  std::string nested =
      as_bytes(uint32_t{9}) + as_bytes(uint64_t{1}) + as_bytes(uint32_t{4}) + as_bytes(uint64_t{0});
  EXPECT_THAT(error_of(GgufWriter().raw("a", 9, nested).bytes()), HasSubstr("array of arrays"));
  std::string big = as_bytes(uint32_t{10}) + as_bytes(uint64_t{1}) + as_bytes(UINT64_MAX);
  EXPECT_THAT(error_of(GgufWriter().raw("a", 9, big).bytes()), HasSubstr("above 2^63 - 1"));
}

TEST_F(GgufFileTest, AlignsDataAsTheFileSays) {
  for (uint32_t alignment : {8U, 32U, 64U, 4096U}) {
    GgufWriter writer;
    writer.alignment(alignment).text("filler", std::string(alignment / 8, 'x'));
    writer.tensor("a", TensorType::f32, {3}, std::string(12, 'a'));
    writer.tensor("b", TensorType::q8_0, {2, 32}, std::string(68, 'b'));
    writer.tensor("c", TensorType::f16, {5}, std::string(10, 'c'));
    Gguf gguf = parse(writer.bytes());
    EXPECT_EQ(gguf.tensor("a").bytes, std::string(12, 'a')) << alignment;
    EXPECT_EQ(gguf.tensor("b").bytes, std::string(68, 'b')) << alignment;
    EXPECT_EQ(gguf.tensor("c").bytes, std::string(10, 'c')) << alignment;
  }
  for (uint32_t alignment : {0U, 1U, 4U, 24U, 33U}) {
    EXPECT_THAT(error_of(GgufWriter().unsigned_integer("general.alignment", alignment).bytes()),
                HasSubstr("general.alignment is " + std::to_string(alignment) + "; a power of two"));
  }
  EXPECT_THAT(error_of(GgufWriter().raw("general.alignment", 10, as_bytes(uint64_t{1} << 32)).bytes()),
              HasSubstr("general.alignment is 4294967296; a power of two from 8 to 2^31"));
  EXPECT_THAT(error_of(GgufWriter().text("general.alignment", "32").bytes()), HasSubstr("is no uint32"));
  GgufWriter lying;
  lying.alignment(64).lying_tensor("a", 0, {1}, 32);
  EXPECT_THAT(error_of(lying.bytes() + "1234"), HasSubstr("a does not begin at a multiple of 64"));
}

TEST_F(GgufFileTest, RefusesTensorsThatMakeNoSense) {
  auto error = [&](uint32_t type, const std::vector<uint64_t>& shape, uint64_t offset) {
    GgufWriter writer;
    writer.tensor("first", TensorType::f32, {16}, std::string(64, 'x'));
    writer.lying_tensor("second", type, shape, offset);
    return error_of(writer.bytes());
  };
  EXPECT_THAT(error(16, {32}, 64), HasSubstr("second is of the type IQ2_XXS; F32, F16, Q4_0"));
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
              HasSubstr("a appears twice"));
}

/// Runs everything that reads a model's file; true if all of it is accepted.
bool read_all(const std::string& path) {
  try {
    Gguf gguf(path);
    shape_of(gguf);
    Tokenizer tokenizer(tokenizer_tables(gguf));
    ChatTemplate chat(tokenizer_tables(gguf), tokenizer);
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

TEST_F(GgufFileTest, TokensThatBeginAndEndATextAreNamedByTheirIds) {
  auto tables = [&](GgufWriter writer) {
    writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "smollm");
    writer.texts("tokenizer.ggml.tokens", {"<s>", "a", "</s>"})
        .integers("tokenizer.ggml.token_type", {3, 1, 3});
    write_bytes(path_, writer.texts("tokenizer.ggml.merges", {}).bytes());
    const Gguf gguf(path_);
    TokenizerTables found = tokenizer_tables(gguf);
    return std::tuple(found.bos_token, found.eos_token, found.add_bos);
  };
  GgufWriter named;
  named.unsigned_integer("tokenizer.ggml.bos_token_id", 0).unsigned_integer("tokenizer.ggml.eos_token_id", 2);
  EXPECT_EQ(tables(GgufWriter()), std::tuple("", "", false));
  EXPECT_EQ(tables(named), std::tuple("<s>", "</s>", false));
  EXPECT_EQ(tables(GgufWriter(named).raw("tokenizer.ggml.add_bos_token", 7, std::string_view("\1", 1))),
            std::tuple("<s>", "</s>", true));
  try {
    tables(GgufWriter().unsigned_integer("tokenizer.ggml.bos_token_id", 3));
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("tokenizer.ggml.bos_token_id is 3, and there are 3 tokens"));
  }
}

TEST_F(GgufFileTest, EveryTruncationIsAnError) {
  std::string bytes = tiny_gguf(smallest_model());
  write_bytes(path_, bytes);
  ASSERT_TRUE(read_all(path_));
  for (size_t size = bytes.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0);
    ASSERT_FALSE(read_all(path_)) << "cut to " << size << " bytes";
  }
}

TEST_F(GgufFileTest, DamageAnywhereIsAnErrorOrHarmless) {
  std::string bytes = tiny_gguf(smallest_model());
  size_t header = bytes.find("output_norm.weight") + 64;
  write_bytes(path_, bytes);
  // Changed in place: some file systems flush a file that is rewritten.
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
