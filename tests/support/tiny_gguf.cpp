// Files are built as three strings (metadata, descriptions, data) and joined at the end. Random weights of
// quantized types are random blocks, since every bit pattern is valid.
#include "tests/support/tiny_gguf.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr uint32_t uint32_type = 4, int32_type = 5, float32_type = 6, text_type = 8, array_type = 9;

template <typename Value>
void append(std::string& out, Value value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_text(std::string& out, std::string_view text) {
  append(out, uint64_t{text.size()});
  out += text;
}

void pad(std::string& out, uint64_t alignment) {
  out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
}

/// The character that GPT-2 writes for `byte`, in UTF-8.
std::string character_of_byte(uint8_t byte) {
  auto printable = [](uint32_t b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  uint32_t character = byte;
  if (!printable(byte)) {
    character = 256;
    for (uint32_t before = 0; before < byte; ++before) character += printable(before) ? 0 : 1;
  }
  if (character < 0x80) return {static_cast<char>(character)};
  return {static_cast<char>(0xC0 | (character >> 6)), static_cast<char>(0x80 | (character & 0x3F))};
}

struct Vocabulary {
  std::vector<std::string> texts = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  std::vector<int32_t> types = {3, 3, 3};
  std::vector<std::string> merges;
};

/// Merges each word from left to right ("M a", "Ma l", "Mal e"), then with the space before it.
Vocabulary make_vocabulary() {
  Vocabulary vocabulary;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    vocabulary.texts.push_back(character_of_byte(static_cast<uint8_t>(byte)));
  }
  std::set<std::string> known(vocabulary.texts.begin(), vocabulary.texts.end());
  auto merge = [&](const std::string& left, const std::string& right) {
    if (!known.insert(left + right).second) return;
    vocabulary.merges.push_back(left + " " + right);
    vocabulary.texts.push_back(left + right);
  };
  for (std::string word : {"system", "user", "assistant", "Male", "Female", "person", "is", "the"}) {
    for (size_t size = 1; size < word.size(); ++size) merge(word.substr(0, size), word.substr(size, 1));
    merge(character_of_byte(' '), word);
  }
  vocabulary.types.resize(vocabulary.texts.size(), 1);
  return vocabulary;
}

void write_tokenizer(GgufWriter& writer, const Vocabulary& vocabulary) {
  writer.text("tokenizer.ggml.model", "gpt2")
      .text("tokenizer.ggml.pre", "smollm")
      .texts("tokenizer.ggml.tokens", vocabulary.texts)
      .integers("tokenizer.ggml.token_type", vocabulary.types)
      .texts("tokenizer.ggml.merges", vocabulary.merges)
      .unsigned_integer("tokenizer.ggml.eos_token_id", 2)
      .text(
          "tokenizer.chat_template",
          "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
          "{{ '<|im_start|>system\nYou are tiny<|im_end|>\n' }}{% endif %}"
          "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}");
}

/// Deals tensors to the files in turn.
class WeightsWriter {
 public:
  WeightsWriter(std::vector<GgufWriter>& writers, const TinyModel& model)
      : writers_(writers), model_(model) {}

  uint32_t tensors() const { return tensors_; }

  void matrix(const std::string& name, TensorType type, uint64_t rows, uint64_t columns) {
    next().tensor(name, type, {rows, columns},
                  random_weights(type, rows * columns, model_.scale, model_.seed, name));
  }

  /// Adds the weights of a norm, near 1.
  void norm(const std::string& name) {
    CounterRng rng(model_.seed, name);
    std::string bytes;
    for (uint32_t i = 0; i < model_.width; ++i) append(bytes, static_cast<float>(1.0 + 0.1 * rng.normal()));
    next().tensor(name, TensorType::f32, {model_.width}, bytes);
  }

  void block(uint32_t layer) {
    std::string name = "blk." + std::to_string(layer) + ".";
    uint64_t kv_width = uint64_t{model_.width} / model_.heads * model_.kv_heads;
    TensorType type = model_.linear_type;
    norm(name + "attn_norm.weight");
    matrix(name + "attn_q.weight", type, model_.width, model_.width);
    matrix(name + "attn_k.weight", type, kv_width, model_.width);
    matrix(name + "attn_v.weight", type, kv_width, model_.width);
    matrix(name + "attn_output.weight", type, model_.width, model_.width);
    norm(name + "ffn_norm.weight");
    matrix(name + "ffn_gate.weight", type, model_.ffn_width, model_.width);
    matrix(name + "ffn_up.weight", type, model_.ffn_width, model_.width);
    matrix(name + "ffn_down.weight", type, model_.width, model_.ffn_width);
  }

 private:
  GgufWriter& next() { return writers_[tensors_++ % writers_.size()]; }

  std::vector<GgufWriter>& writers_;
  const TinyModel& model_;
  uint32_t tensors_ = 0;
};

}  // namespace

GgufWriter& GgufWriter::alignment(uint32_t bytes) {
  alignment_ = bytes;
  return unsigned_integer("general.alignment", bytes);
}

GgufWriter& GgufWriter::raw(std::string_view key, uint32_t type, std::string_view bytes) {
  append_text(metadata_, key);
  append(metadata_, type);
  metadata_ += bytes;
  ++keys_;
  return *this;
}

GgufWriter& GgufWriter::text(std::string_view key, std::string_view value) {
  std::string bytes;
  append_text(bytes, value);
  return raw(key, text_type, bytes);
}

GgufWriter& GgufWriter::unsigned_integer(std::string_view key, uint32_t value) {
  std::string bytes;
  append(bytes, value);
  return raw(key, uint32_type, bytes);
}

GgufWriter& GgufWriter::number(std::string_view key, float value) {
  std::string bytes;
  append(bytes, value);
  return raw(key, float32_type, bytes);
}

GgufWriter& GgufWriter::texts(std::string_view key, const std::vector<std::string>& values) {
  std::string bytes;
  append(bytes, text_type);
  append(bytes, uint64_t{values.size()});
  for (const std::string& value : values) append_text(bytes, value);
  return raw(key, array_type, bytes);
}

GgufWriter& GgufWriter::integers(std::string_view key, const std::vector<int32_t>& values) {
  std::string bytes;
  append(bytes, int32_type);
  append(bytes, uint64_t{values.size()});
  for (int32_t value : values) append(bytes, value);
  return raw(key, array_type, bytes);
}

GgufWriter& GgufWriter::tensor(std::string_view name, TensorType type, const std::vector<uint64_t>& shape,
                               std::string_view bytes) {
  pad(data_, alignment_);
  lying_tensor(name, static_cast<uint32_t>(type), shape, data_.size());
  data_ += bytes;
  return *this;
}

GgufWriter& GgufWriter::lying_tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& shape,
                                     uint64_t offset) {
  append_text(descriptions_, name);
  append(descriptions_, static_cast<uint32_t>(shape.size()));
  for (size_t i = shape.size(); i-- > 0;) append(descriptions_, shape[i]);
  append(descriptions_, type);
  append(descriptions_, offset);
  ++tensors_;
  return *this;
}

std::string GgufWriter::bytes() const {
  std::string out = "GGUF";
  append(out, uint32_t{3});
  append(out, tensors_);
  append(out, keys_);
  out += metadata_;
  out += descriptions_;
  pad(out, alignment_);
  return out + data_;
}

uint16_t half_bits(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000U;
  int32_t exponent = static_cast<int32_t>((bits >> 23) & 0xFFU) - 127 + 15;
  if (exponent <= 0) return static_cast<uint16_t>(sign);
  ensure(exponent < 31, "a test's number fits a half");
  return static_cast<uint16_t>(sign | (static_cast<uint32_t>(exponent) << 10) | ((bits >> 13) & 0x3FFU));
}

/// The half-precision numbers of a block with random scales and numbers, chosen so that the step of its
/// values times the number of steps is `step`.
std::vector<float> halves_of(TensorType type, float step) {
  switch (type) {
    case TensorType::q4_0:
      return {step / 16};
    case TensorType::q5_0:
      return {step / 32};
    case TensorType::q5_1:
      return {step / 32, -step / 2};
    case TensorType::q2_k:
      return {step / (4 * 8), step / (2 * 8)};
    case TensorType::q3_k:
      return {step / (8 * 16)};
    case TensorType::q4_k:
      return {step / (16 * 32), step / (2 * 32)};
    case TensorType::q5_k:
      return {step / (32 * 32), step / (2 * 32)};
    case TensorType::q6_k:
      return {step / (64 * 64)};
    default:
      return {};
  }
}

std::string random_weights(TensorType type, uint64_t count, float scale, uint64_t seed,
                           std::string_view purpose) {
  CounterRng rng(seed, purpose);
  BlockLayout layout = block_layout(type);
  ensure(count % layout.elements == 0, "random weights are whole blocks");
  std::string bytes;
  bytes.reserve(count / layout.elements * layout.bytes);
  for (uint64_t block = 0; block < count / layout.elements; ++block) {
    auto value = static_cast<float>(rng.normal() * scale);
    // Uniform numbers over n values with step d have standard deviation d n / sqrt(12).
    auto step = static_cast<float>(scale * std::sqrt(12.0) * (0.5 + rng.uniform()));
    if (type == TensorType::f32) append(bytes, value);
    if (type == TensorType::f16) append(bytes, half_bits(value));
    if (type == TensorType::bf16) append(bytes, static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    if (type == TensorType::q8_0) append(bytes, half_bits(step / 256));
    if (type == TensorType::q4_1) {
      append(bytes, half_bits(step / 16));
      append(bytes, half_bits(-step / 2));
    }
    uint64_t end = (block + 1) * layout.bytes;
    while (bytes.size() < end) append(bytes, static_cast<uint8_t>(rng.below(256)));
    const std::vector<float> halves = halves_of(type, step);
    for (size_t i = 0; i < halves.size(); ++i) {
      const uint16_t bits = half_bits(halves[i]);
      std::memcpy(bytes.data() + end - layout.bytes + half_offsets(type)[i], &bits, sizeof bits);
    }
  }
  return bytes;
}

std::vector<std::string> tiny_gguf_parts(const TinyModel& model, uint32_t count) {
  Vocabulary vocabulary = make_vocabulary();
  std::vector<GgufWriter> writers(count);
  writers[0]
      .text("general.architecture", "llama")
      .unsigned_integer("llama.block_count", model.layers)
      .unsigned_integer("llama.context_length", model.context_length)
      .unsigned_integer("llama.embedding_length", model.width)
      .unsigned_integer("llama.feed_forward_length", model.ffn_width)
      .unsigned_integer("llama.attention.head_count", model.heads)
      .unsigned_integer("llama.attention.head_count_kv", model.kv_heads)
      .number("llama.rope.freq_base", model.rope_theta)
      .number("llama.attention.layer_norm_rms_epsilon", model.norm_epsilon)
      .unsigned_integer("llama.rope.dimension_count", model.width / model.heads);
  write_tokenizer(writers[0], vocabulary);
  WeightsWriter weights(writers, model);
  weights.matrix("token_embd.weight", model.embedding_type, vocabulary.texts.size(), model.width);
  for (uint32_t layer = 0; layer < model.layers; ++layer) weights.block(layer);
  weights.norm("output_norm.weight");
  if (!model.tied_embedding) {
    weights.matrix("output.weight", model.embedding_type, vocabulary.texts.size(), model.width);
  }
  std::vector<std::string> parts;
  for (uint32_t part = 0; part < count; ++part) {
    if (count > 1) {
      writers[part]
          .unsigned_integer("split.no", part)
          .unsigned_integer("split.count", count)
          .unsigned_integer("split.tensors.count", weights.tensors());
    }
    parts.push_back(writers[part].bytes());
  }
  return parts;
}

std::string tiny_gguf(const TinyModel& model) { return tiny_gguf_parts(model, 1).front(); }

void write_bytes(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw UserError("cannot write " + path);
}

void write_tiny_gguf(const std::string& path, const TinyModel& model) { write_bytes(path, tiny_gguf(model)); }

}  // namespace apportion
