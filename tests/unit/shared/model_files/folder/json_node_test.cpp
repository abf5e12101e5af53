// What is refused in any JSON file, whatever its keys mean.
#include "shared/model_files/folder/json_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using nlohmann::json;
using testing::error_of;

std::string refused(const std::string& text) {
  return error_of([&] { parse_object("a.json", text, 8); });
}

TEST(ParseObject, RefusesAKeyThatIsTwiceInOneObject) {
  EXPECT_EQ(refused(R"({"a": 1, "b": 2, "a": 1})"), "a.json, byte 25: the key a appears twice in one object");
  EXPECT_EQ(refused(R"({"b": [{"a": {}}, {"c": "a", "d":[], "c" : 0}]})"),
            "a.json, byte 45: the key c appears twice in one object");
  EXPECT_EQ(refused(R"({"a\n": 1, "\u0061\u000a": 2})"),
            "a.json, byte 19: the key a\\n appears twice in one object");
  EXPECT_EQ(refused("\xEF\xBB\xBF{\"\": 1,\"\":2}"), "a.json, byte 18: the key  appears twice in one object");
  // Not refused: in two objects, as a text, or with different bytes.
  const std::string once =
      R"({"a": {"a": ["a", "a", {"a": 1}, {"a": 2}]}, "b": "a\", \"a\": ", "A": "\\", "a ": 1, "\"a": 1})";
  EXPECT_EQ(parse_object("a.json", once), json::parse(once));
}

TEST(ParseObject, EndsWhereTheTextEnds) {
  EXPECT_EQ(refused(std::string("{\"a\": 1}\0, \"", 12)),
            "a.json, byte 16: is not JSON: there is a zero byte");
  EXPECT_THAT(refused("{\"a\": 1} \""), ::testing::HasSubstr("is not JSON: "));
}

}  // namespace
}  // namespace apportion
