// A checkpoint's JSON files: what is written comes back; what lies about itself, or is damaged in any byte,
// is refused by its key.
#include "shared/store/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "shared/base/counter_rng.h"
#include "shared/base/error.h"

namespace apportion {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string digest_a(64, 'a'), digest_b(64, 'b'), digest_c(64, 'c');

/// Rows [3, 7) of a [10, 5] tensor, 80 bytes, followed by three blocks of a long vector.
Manifest sample() {
  SlicePlace rows{{"rows", ElementType::float32, {10, 5}}, 3, 7, 0, 80, {digest_a}};
  const uint64_t count = (2 * digest_block + 8) / 8;
  SlicePlace line{{"line", ElementType::float64, {count}}, 0, count, 128, count * 8,
                  {digest_a, digest_b, digest_c}};
  return {40, 1, 3, {rows, line}};
}

std::string refusal(const std::function<void()>& parse) {
  try {
    parse();
  } catch (const DataError& error) {
    EXPECT_EQ(error.path(), "file.json");
    return error.what();
  }
  return "";
}

std::string refusal_of_manifest(const std::string& text) {
  return refusal([&] { parse_manifest(text, "file.json"); });
}

TEST(Manifest, ComesBackAsItWasWritten) {
  const Manifest manifest = sample(), back = parse_manifest(encode_manifest(manifest), "file.json");
  EXPECT_EQ(back.step, 40u);
  EXPECT_EQ(back.rank, 1u);
  EXPECT_EQ(back.ranks, 3u);
  ASSERT_EQ(back.slices.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const SlicePlace &one = manifest.slices[i], &other = back.slices[i];
    EXPECT_EQ(one.tensor, other.tensor);
    EXPECT_EQ(std::tie(one.first, one.last, one.offset, one.bytes, one.digests),
              std::tie(other.first, other.last, other.offset, other.bytes, other.digests));
  }
  EXPECT_EQ(back.data_bytes(), 128 + 2 * digest_block + 8);
  EXPECT_EQ(encode_manifest(back), encode_manifest(manifest));
}

TEST(Manifest, AnEmptySliceIsLegal) {
  Manifest manifest{1, 0, 1, {{{"none", ElementType::float32, {4, 2}}, 2, 2, 0, 0, {}}}};
  EXPECT_EQ(parse_manifest(encode_manifest(manifest), "file.json").slices[0].bytes, 0u);
  EXPECT_EQ(parse_manifest(encode_manifest({1, 0, 1, {}}), "file.json").data_bytes(), 0u);
}

struct Lie {
  const char* what;
  std::function<void(json&)> tell;
  const char* refusal;
};

TEST(Manifest, LiesAreRefusedByName) {
  const uint64_t huge = uint64_t{1} << 62;
  const std::vector<Lie> lies = {
      {"another program's", [](json& j) { j["format"] = "zip"; }, "apportion checkpoint"},
      {"a later version", [](json& j) { j["version"] = 2; }, "version 2"},
      {"a rank beyond the ranks", [](json& j) { j["rank"] = 3; }, "rank from 0 to 2"},
      {"no ranks", [](json& j) { j["ranks"] = 0; }, "ranks from 1"},
      {"other blocks", [](json& j) { j["digest_block"] = 1; }, "digest_block"},
      {"a negative step", [](json& j) { j["step"] = -1; }, "step"},
      {"a slice that is none", [](json& j) { j["slices"][1] = 7; }, "slice 1 is not a JSON object"},
      {"an unknown type", [](json& j) { j["slices"][0]["type"] = "int4"; }, "int4"},
      {"no axis", [](json& j) { j["slices"][0]["shape"] = json::array(); }, "without an axis"},
      {"rows beyond the tensor",
       [](json& j) {
         j["slices"][0]["rows"] = {3, 11};
       },
       "tensor's 10"},
      {"rows backwards",
       [](json& j) {
         j["slices"][0]["rows"] = {7, 3};
       },
       "rows"},
      {"one row number", [](json& j) { j["slices"][0]["rows"] = {7}; }, "rows"},
      {"too few bytes", [](json& j) { j["slices"][0]["bytes"] = 79; }, "79 bytes; its rows have 80"},
      {"rows whose size overflows",
       [=](json& j) {
         j["slices"][0]["shape"] = {10, huge, huge};
       },
       "2^63"},
      {"a sum that overflows",
       [=](json& j) {
         j["slices"][0]["shape"] = {huge, 5};
         j["slices"][0]["rows"] = {0, huge};
       },
       "2^63"},
      {"an odd offset", [](json& j) { j["slices"][1]["offset"] = 81; }, "begins at byte 81"},
      {"a hole", [](json& j) { j["slices"][1]["offset"] = 192; }, "begins at byte 192"},
      {"bytes of another slice", [](json& j) { j["slices"][1]["offset"] = 64; }, "begins at byte 64"},
      {"a first slice that begins late", [](json& j) { j["slices"][0]["offset"] = 64; }, "begins at byte 64"},
      {"a digest too few", [](json& j) { j["slices"][1]["sha256"].erase(0); }, "2 digests"},
      {"a digest too many", [](json& j) { j["slices"][0]["sha256"].push_back(digest_b); }, "2 digests"},
      {"a short digest", [](json& j) { j["slices"][0]["sha256"][0] = "ab"; }, "SHA-256"},
  };
  for (const Lie& lie : lies) {
    json changed = json::parse(encode_manifest(sample()));
    lie.tell(changed);
    EXPECT_THAT(refusal_of_manifest(changed.dump()), HasSubstr(lie.refusal)) << lie.what;
  }
}

/// Visits every value of the tree, as a pointer.
void each_place(const json& tree, const json::json_pointer& at,
                const std::function<void(const json::json_pointer&)>& visit) {
  for (const auto& [key, value] : tree.items()) {
    const json::json_pointer place = tree.is_array() ? at / static_cast<size_t>(std::stoul(key)) : at / key;
    visit(place);
    if (value.is_structured()) each_place(value, place, visit);
  }
}

TEST(Manifest, ValuesOfAnotherKindAndAbsentKeysAreRefused) {
  const json good = json::parse(encode_manifest(sample()));
  int places = 0;
  each_place(good, json::json_pointer(), [&](const json::json_pointer& place) {
    ++places;
    for (const json& wrong :
         {json(), json(-1), json(0.5), json("x"), json::array({json::array()}), json(true)}) {
      if (place.back() == "name" && wrong.is_string()) continue;  // any text is a name
      json changed = good;
      changed[place] = wrong;
      EXPECT_NE(refusal_of_manifest(changed.dump()), "") << place << " = " << wrong;
    }
    json absent = good;
    json& parent = absent[place.parent_pointer()];
    if (!parent.is_object()) return;
    parent.erase(place.back());
    EXPECT_NE(refusal_of_manifest(absent.dump()), "") << place << " is absent";
  });
  EXPECT_GT(places, 25);
}

TEST(Manifest, RandomDamageIsRefusedOrHarmless) {
  const std::string good = encode_manifest(sample());
  CounterRng rng(7, "manifest damage");
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bytes = good;
    for (int flips = 0; flips < 3; ++flips) {
      const auto place = static_cast<size_t>(rng.uniform() * static_cast<double>(bytes.size()));
      bytes[place] = static_cast<char>(static_cast<int>(rng.uniform() * 256));
    }
    try {
      const Manifest manifest = parse_manifest(bytes, "file.json");
      for (const SlicePlace& slice : manifest.slices) {  // what was accepted is consistent
        EXPECT_LE(slice.last, slice.tensor.rows());
        EXPECT_EQ(slice.bytes, (slice.last - slice.first) * slice.tensor.row_bytes());
        EXPECT_LE(slice.offset + slice.bytes, manifest.data_bytes());
      }
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Completion, ComesBackAndShowsEveryFlippedByte) {
  const std::string good = encode_completion({"task", 40, {digest_a, digest_b}});
  const Completion back = parse_completion(good, "file.json");
  EXPECT_EQ(back.identity, "task");
  EXPECT_EQ(back.step, 40u);
  EXPECT_EQ(back.manifests, (std::vector{digest_a, digest_b}));
  for (size_t place = 0; place < good.size(); ++place) {
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 1);
    EXPECT_NE(refusal([&] { parse_completion(bad, "file.json"); }), "") << place;
    EXPECT_NE(refusal([&] { parse_completion(good.substr(0, place), "file.json"); }), "") << place;
  }
}

}  // namespace
}  // namespace apportion
