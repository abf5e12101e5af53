// What is read from an identity's text, and that only the text is hashed.
#include "shared/config/task.h"

#include <gtest/gtest.h>

#include "shared/base/digest.h"

namespace apportion {
namespace {

const nlohmann::json parts = {
    {"kind", "sft"},
    {"a \"quoted\"\\", "and \\\" more, {[:"},
    {"options", {{"beta", "0.1"}, {"model", "of the options"}, {"list", {1, {2, 3}}}}},
    {"losses", nlohmann::json::array()},
    {"model", "x,y}"},
    {"revision", 4}};

TEST(TaskIdentity, GivesEachPartOfItsObjectAndNoPartOfAPart) {
  const TaskIdentity identity = parts;
  EXPECT_EQ(identity.text(), parts.dump());
  EXPECT_EQ(identity.json(), parts);
  for (const char* key : {"kind", "options", "losses", "model", "revision"}) {
    EXPECT_TRUE(identity.contains(key)) << key;
    EXPECT_EQ(identity.at(key), parts.at(key)) << key;
  }
  for (const char* key : {"beta", "list", "", "kin", "revisio"}) EXPECT_FALSE(identity.contains(key)) << key;
  EXPECT_THROW(identity.at("beta"), nlohmann::json::out_of_range);
  EXPECT_EQ(identity.value("model", "none"), "x,y}");
  EXPECT_EQ(identity.value("asking", "none"), "none");
}

TEST(TaskIdentity, OfNothingHasNoParts) {
  const TaskIdentity none;
  EXPECT_EQ(none.text(), "null");
  EXPECT_FALSE(none.is_object() || none.contains("kind"));
  EXPECT_FALSE(TaskIdentity(nlohmann::json::object()).contains("kind"));
  EXPECT_TRUE(none == TaskIdentity(nlohmann::json()));
}

TEST(TaskIdentity, TheTextIsHashedAndTravels) {
  Task task;
  task.identity = parts;
  task.id = task_id(task.identity);
  EXPECT_EQ(task.id, sha256(parts.dump()));
  const Task read = nlohmann::json(task).get<Task>();
  EXPECT_EQ(read.identity.text(), task.identity.text());
  EXPECT_EQ(TaskIdentity::of_text(parts.dump()).at("options"), parts.at("options"));
}

}  // namespace
}  // namespace apportion
