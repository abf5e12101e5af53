#include "shared/model_files/shape_text.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "shared/base/edit_distance.h"
#include "shared/base/error.h"
#include "shared/config/option.h"

namespace apportion {
namespace {

constexpr std::string_view prefix = "shape:";

// The bounds keep every product of three sizes below 2^63. A vocabulary has at least all bytes.
constexpr uint64_t most_layers = 1 << 12, most_width = 1 << 18, most_vocabulary = 1 << 22,
                   least_vocabulary = 256, most_context = 1 << 20;

struct NamedShape {
  const char* name;
  const char* sizes;
};

/// Published sizes (each model's config.json), and round ones in between for scaling studies. Contexts are
/// cut to 8192: longer ones need scaled rotations, and a table of positions that no training here reads.
/// qwen2.5-7b-like has the sizes of Qwen2.5-7B without the biases of its q, k and v.
const std::vector<NamedShape>& named_shapes() {
  static const std::vector<NamedShape> shapes = {
      {"smollm2-135m",
       "layers=30,width=576,heads=9,kv_heads=3,ffn=1536,vocabulary=49152,tied=true,rope_theta=100000"},
      {"350m", "layers=24,width=1024,heads=16,kv_heads=4,ffn=3200,vocabulary=49152,tied=true"},
      {"1b", "layers=16,width=2048,heads=32,kv_heads=8,ffn=8192,vocabulary=49152,tied=true"},
      {"3b", "layers=28,width=3072,heads=24,kv_heads=8,ffn=8192,vocabulary=49152,tied=true"},
      {"8b", "layers=34,width=4096,heads=32,kv_heads=8,ffn=14336,vocabulary=49152"},
      {"llama-2-7b", "layers=32,width=4096,heads=32,kv_heads=32,ffn=11008,vocabulary=32000,context=4096"},
      {"llama-3.2-1b",
       "layers=16,width=2048,heads=32,kv_heads=8,ffn=8192,vocabulary=128256,tied=true,rope_theta=500000"},
      {"llama-3.1-8b",
       "layers=32,width=4096,heads=32,kv_heads=8,ffn=14336,vocabulary=128256,rope_theta=500000"},
      {"llama-3.1-70b",
       "layers=80,width=8192,heads=64,kv_heads=8,ffn=28672,vocabulary=128256,rope_theta=500000"},
      {"llama-3.1-405b",
       "layers=126,width=16384,heads=128,kv_heads=8,ffn=53248,vocabulary=128256,rope_theta=500000"},
      {"qwen2.5-7b-like",
       "layers=28,width=3584,heads=28,kv_heads=4,ffn=18944,vocabulary=152064,rope_theta=1000000"}};
  return shapes;
}

/// Applies one key=value after another to a shape; head_dim and kv_heads follow from the others unless given.
class ShapeParser {
 public:
  explicit ShapeParser(const std::string& text) : text_(text) {}

  ModelShape parse() {
    const std::string rest = text_.substr(prefix.size());
    if (rest.empty()) fail("names no shape; use shape:NAME or shape:layers=N,width=N,heads=N,ffn=N");
    const std::string first = rest.substr(0, rest.find(','));
    if (first.find('=') != std::string::npos) {
      read_sizes(rest);
    } else {
      read_sizes(sizes_of(first));
      given_.clear();
      if (first.size() < rest.size()) read_sizes(rest.substr(first.size() + 1));
    }
    complete();
    return shape_;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw UserError("model '" + printable(text_) + "' " + message);
  }

  std::string sizes_of(const std::string& name) const {
    for (const NamedShape& shape : named_shapes()) {
      if (name == shape.name) return shape.sizes;
    }
    fail(fmt::format(
        "is not a known shape; the nearest is {}, all are {}, or sizes: shape:layers=N,width=N,heads=N,ffn=N",
        nearest_word(name, shape_names()), join(shape_names(), ", ")));
  }

  void read_sizes(const std::string& list) {
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      const std::string entry = list.substr(begin, end - begin);
      const size_t equals = entry.find('=');
      if (equals == std::string::npos) fail("has '" + printable(entry) + "' where key=value is expected");
      read_size(entry.substr(0, equals), entry.substr(equals + 1));
      begin = end + 1;
    }
  }

  void read_size(const std::string& key, const std::string& value) {
    const std::vector<std::string> keys = {"layers", "width",      "heads",   "kv_heads", "head_dim",
                                           "ffn",    "vocabulary", "context", "tied",     "rope_theta"};
    for (const std::string& seen : given_) {
      if (seen == key) fail("gives " + key + " twice");
    }
    given_.push_back(key);
    if (key == "layers") return assign(shape_.layers, key, value, 1, most_layers);
    if (key == "width") return assign(shape_.width, key, value, 8, most_width);
    if (key == "heads") return assign(shape_.heads, key, value, 1, most_width);
    if (key == "kv_heads") return assign(kv_heads_, key, value, 1, most_width);
    if (key == "head_dim") return assign(head_dim_, key, value, 2, most_width);
    if (key == "ffn") return assign(shape_.ffn_width, key, value, 1, most_width);
    if (key == "vocabulary") return assign(shape_.vocabulary, key, value, least_vocabulary, most_vocabulary);
    if (key == "context") return assign(shape_.context_length, key, value, 1, most_context);
    if (key == "tied") {
      if (!parse_flag(value, shape_.tied_embedding))
        fail("has tied='" + printable(value) + "'; true or false is expected");
      return;
    }
    if (key == "rope_theta") {
      if (!parse_number(value, shape_.rope_theta) || shape_.rope_theta <= 0) {
        fail("has rope_theta='" + printable(value) + "'; a number above 0 is expected");
      }
      return;
    }
    fail("has the unknown key '" + printable(key) + "'; did you mean " + nearest_word(key, keys) + "?");
  }

  void assign(int64_t& field, const std::string& key, const std::string& value, uint64_t low, uint64_t high) {
    uint64_t number = 0;
    if (!parse_integer(value, number) || number < low || number > high) {
      fail(
          fmt::format("has {}='{}'; an integer from {} to {} is expected", key, printable(value), low, high));
    }
    field = static_cast<int64_t>(number);
  }

  void complete() {
    for (const auto& [key, value] : {std::pair("layers", shape_.layers), std::pair("width", shape_.width),
                                     std::pair("heads", shape_.heads), std::pair("ffn", shape_.ffn_width)}) {
      if (value == 0) fail(std::string("needs ") + key + "=N");
    }
    shape_.kv_heads = kv_heads_ ? kv_heads_ : shape_.heads;
    if (shape_.heads % shape_.kv_heads != 0) {
      fail(
          fmt::format("has heads={}, which is not a multiple of kv_heads={}", shape_.heads, shape_.kv_heads));
    }
    if (head_dim_ == 0 && shape_.width % shape_.heads != 0) {
      fail(fmt::format("has width={}, which is not a multiple of heads={}; give head_dim=N", shape_.width,
                       shape_.heads));
    }
    shape_.head_dim = head_dim_ ? head_dim_ : shape_.width / shape_.heads;
    if (shape_.head_dim % 2 != 0 || shape_.heads * shape_.head_dim > static_cast<int64_t>(most_width)) {
      fail(fmt::format("has heads of size {}; an even size of at most {} in all heads is expected",
                       shape_.head_dim, most_width));
    }
  }

  const std::string text_;
  ModelShape shape_{.architecture = "llama", .vocabulary = 49152, .context_length = 8192};
  int64_t kv_heads_ = 0, head_dim_ = 0;
  std::vector<std::string> given_;
};

}  // namespace

bool is_shape_text(const std::string& model) { return model.compare(0, prefix.size(), prefix) == 0; }

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const NamedShape& shape : named_shapes()) names.emplace_back(shape.name);
  return names;
}

ModelShape parse_shape(const std::string& text) {
  ensure(is_shape_text(text), "a shape's text begins with shape:");
  return ShapeParser(text).parse();
}

std::string canonical_shape(const ModelShape& shape) {
  return fmt::format(
      "{}layers={},width={},heads={},kv_heads={},head_dim={},ffn={},vocabulary={},context={},tied={},"
      "rope_theta={}",
      prefix, shape.layers, shape.width, shape.heads, shape.kv_heads, shape.head_dim, shape.ffn_width,
      shape.vocabulary, shape.context_length, shape.tied_embedding, print_number(shape.rope_theta));
}

}  // namespace apportion
