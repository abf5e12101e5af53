// templates.txt, right and wrong: every mistake names its file and line.
#include "shared/data/templates.h"

#include <gtest/gtest.h>

#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

constexpr const char* categories = "[categories]\n0 = Yes | aye\n1 = No\n";
constexpr const char* rest = "[answers]\n{category}\n[train]\nIs it so?\n";

/// The error's text after the folder's name.
std::string complaint(const std::string& content, const std::string& included = "plain\n") {
  DatasetFolder folder;
  folder.write("templates.txt", content);
  folder.write("lines.txt", included);
  const std::string message = error_of([&] { read_templates(folder.path()); });
  return message.starts_with(folder.path() + "/") ? message.substr(folder.path().size() + 1) : message;
}

TEST(Templates, ReadsSectionsCommentsAndIncludes) {
  DatasetFolder folder;
  folder.write(
      "set/templates.txt",
      "# a comment\r\n[ categories ]\r\n 0 = Yes | aye \r\n1=No\r\n[answers]\n{category}\nI say {category}.\n"
      "[train]\nfirst\ninclude = ../lines.txt\nlast\n[v2]\nother\n");
  folder.write("lines.txt", "# skipped\nincluded 1\n\nincluded 2");
  const Templates templates = read_templates(folder.path_of("set"));
  ASSERT_EQ(templates.categories.size(), 2u);
  EXPECT_EQ(templates.categories[0].names, (std::vector<std::string>{"Yes", "aye"}));
  EXPECT_EQ(templates.categories[1].names, (std::vector<std::string>{"No"}));
  EXPECT_EQ(templates.answers[1].text, "I say {category}.");
  const std::vector<TextLine>& train = templates.wordings.at("train");
  ASSERT_EQ(train.size(), 4u);
  EXPECT_EQ(train[1].text, "included 1");
  EXPECT_EQ(train[2].text, "included 2");
  EXPECT_EQ(train[2].line, 4u);
  EXPECT_EQ(train[2].file, folder.path_of("lines.txt"));
  EXPECT_EQ(train[3].text, "last");
  EXPECT_EQ(templates.wordings.count("v3"), 0u);
}

TEST(Templates, NamesWrongCategories) {
  const std::string end = rest;
  EXPECT_EQ(complaint("[categories]\n0 = Yes\n2 = No\n" + end),
            "templates.txt, line 3: categories are numbered 0, 1, 2 ... in order; write \"1 = NAME\" here");
  EXPECT_EQ(complaint("[categories]\nYes\nNo\n" + end),
            "templates.txt, line 2: categories are numbered 0, 1, 2 ... in order; write \"0 = NAME\" here");
  EXPECT_EQ(complaint("[categories]\n0 = Yes\n1 = YES\n" + end),
            "templates.txt, line 3: \"YES\" already names category 0 (ignoring case); a name belongs to one "
            "category, once");
  EXPECT_EQ(complaint("[categories]\n0 = Yes | ok\n1 = No | OK\n" + end),
            "templates.txt, line 3: \"OK\" already names category 0 (ignoring case); a name belongs to one "
            "category, once");
  EXPECT_EQ(complaint("[categories]\n0 = Yes |\n1 = No\n" + end),
            "templates.txt, line 2: an empty name; write \"0 = NAME | SYNONYM\"");
  EXPECT_EQ(complaint("[categories]\n0 = Yes\n" + end),
            "templates.txt: one category only; a distribution needs at least two");
}

constexpr const char* joint =
    "[categories gender]\n0 = Male | man\n1 = Female\n[categories mood]\n0 = Glad\n1 = Sad\n2 = Calm\n";

TEST(Templates, ReadsTheProductOfAttributes) {
  DatasetFolder folder;
  folder.write("templates.txt", std::string(joint) + "[answers]\n{mood} and {gender}\n[train]\nWho?\n");
  const Templates templates = read_templates(folder.path());
  ASSERT_EQ(templates.attributes.size(), 2u);
  EXPECT_EQ(templates.attributes[0].name, "gender");
  EXPECT_EQ(templates.attributes[0].categories[0].names, (std::vector<std::string>{"Male", "man"}));
  EXPECT_EQ(templates.attributes[1].categories.size(), 3u);
  std::vector<std::string> names;
  for (const Category& category : templates.categories) names.push_back(category.names.front());
  EXPECT_EQ(names, (std::vector<std::string>{"Male+Glad", "Male+Sad", "Male+Calm", "Female+Glad",
                                             "Female+Sad", "Female+Calm"}));
  EXPECT_EQ(category_placeholders(templates.attributes), (std::vector<std::string>{"gender", "mood"}));
}

TEST(Templates, NamesWrongAttributes) {
  const std::string two = joint, end = "[answers]\n{gender}, {mood}\n[train]\nx\n";
  EXPECT_EQ(complaint("[categories gender]\n0 = Male\n1 = Female\n" + end),
            "templates.txt: [categories gender] is the only attribute; call the section [categories]");
  EXPECT_EQ(complaint(two + "[categories]\n0 = a\n1 = b\n" + end),
            "templates.txt, line 8: [categories] together with [categories NAME]; give each a name, or have "
            "one section without");
  EXPECT_EQ(complaint(two + "[categories mood]\n0 = a\n1 = b\n" + end),
            "templates.txt, line 8: section [categories mood] appears twice; join the two");
  EXPECT_EQ(complaint(two + "[categories Hair colour]\n0 = a\n1 = b\n" + end),
            "templates.txt, line 8: [categories Hair colour] names an attribute by small letters, digits and "
            "underscores, as in [categories gender]");
  EXPECT_EQ(complaint(two + "[categories hair]\n# none\n" + end),
            "templates.txt: section [categories hair] is missing or empty; add it with at least one line");
  EXPECT_EQ(complaint(two + "[categories hair]\n0 = a\n1 = b+c\n" + end),
            "templates.txt, line 10: a + in a name of a joint attribute; in targets.csv a + separates the "
            "attributes' names");
  for (const char* form : {"{gender}", "{gender}, {mood}, {mood}", "{category}"}) {
    EXPECT_EQ(complaint(two + "[answers]\n" + form + "\n[train]\nx\n"),
              "templates.txt, line 9: an answer form has {gender}, {mood} exactly once each, as in "
              "\"{gender}, {mood}\"");
  }
}

/// Forty attributes of two categories each would make 2^40 joint categories.
TEST(Templates, JointCategoriesAreNotWithoutEnd) {
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += "[categories a" + std::to_string(i) + "]\n0 = x" + std::to_string(i) + "\n1 = y\n";
  EXPECT_EQ(complaint(many + rest),
            "templates.txt, line 29: the attributes up to [categories a9] have 1024 joint categories; 1000 "
            "is the most");
}

TEST(Templates, NamesWrongSections) {
  const std::string begin = categories;
  EXPECT_EQ(complaint(begin + "[answers]\n{category}\n"),
            "templates.txt: section [train] is missing or empty; add it with at least one line");
  EXPECT_EQ(complaint(begin + "[train]\nx\n[answers]\n# none\n"),
            "templates.txt: section [answers] is missing or empty; add it with at least one line");
  EXPECT_EQ(complaint(begin + rest + "[v4]\nx\n"),
            "templates.txt, line 8: unknown section [v4]; there are [categories], [answers], [train], "
            "[v2], [v3], [keep], [keep-test], [judge] and [stories]");
  EXPECT_EQ(complaint(begin + rest + "[train]\nx\n"),
            "templates.txt, line 8: section [train] appears twice; join the two");
  EXPECT_EQ(complaint("x\n" + begin + rest),
            "templates.txt, line 1: a line before the first section; begin with [categories]");
}

TEST(Templates, ReadsAJudgesWords) {
  DatasetFolder folder;
  folder.write("templates.txt", std::string(categories) + rest + "[judge]\n1 = nay | never\n");
  const Templates plain = read_templates(folder.path());
  EXPECT_TRUE(plain.categories[0].judge_words.empty());
  EXPECT_EQ(plain.categories[1].judge_words, (std::vector<std::string>{"nay", "never"}));
  EXPECT_EQ(plain.categories[1].names, (std::vector<std::string>{"No"}));
  folder.write(
      "templates.txt",
      std::string(joint) + "[judge gender]\n0 = he\n1 = she\n[answers]\n{mood}, {gender}\n[train]\nx\n");
  const Templates of_two = read_templates(folder.path());
  EXPECT_EQ(of_two.attributes[0].categories[1].judge_words, (std::vector<std::string>{"she"}));
  EXPECT_TRUE(of_two.attributes[1].categories[0].judge_words.empty());
}

TEST(Templates, NamesWrongJudgesWords) {
  const std::string begin = std::string(categories) + rest + "[judge]\n";
  for (const char* wrong : {"2 = he", "he | him", "= he"}) {
    EXPECT_EQ(
        complaint(begin + wrong + "\n"),
        "templates.txt, line 9: a line of a judge's words begins with the number of a category; write \"0 = "
        "he | him\", with 1 as the last number");
  }
  EXPECT_EQ(complaint(begin + "0 = he |\n"),
            "templates.txt, line 9: an empty name; write \"0 = NAME | SYNONYM\"");
  EXPECT_EQ(complaint(begin + "0 = he\n1 = NO\n"),
            "templates.txt, line 10: \"NO\" already names category 1 (ignoring case); a name belongs to one "
            "category, once");
  const std::string end = "[answers]\n{gender}, {mood}\n[train]\nx\n";
  EXPECT_EQ(complaint("[judge mood]\n0 = happy\n" + std::string(joint) + end),
            "templates.txt, line 1: [judge mood] has no [categories mood] before it; write that first");
  EXPECT_EQ(complaint(joint + std::string("[judge]\n0 = happy\n") + end),
            "templates.txt, line 9: [judge] together with [categories NAME]; write [judge NAME] for each "
            "attribute's words");
}

TEST(Templates, NamesWrongIncludes) {
  const std::string begin = std::string(categories) + rest;
  const std::string message = complaint(begin + "include = absent.txt\n");
  EXPECT_TRUE(message.starts_with("templates.txt, line 8: there is no file /")) << message;
  EXPECT_EQ(complaint(begin + "include = lines.txt\n", "a\ninclude = lines.txt\n"),
            "lines.txt, line 2: an included file holds plain lines only, no section and no include");
  EXPECT_EQ(complaint(begin + "include = lines.txt\n", "[v2]\n"),
            "lines.txt, line 1: an included file holds plain lines only, no section and no include");
}

TEST(Templates, AnswerFormsHaveTheCategoryOnce) {
  for (const char* form : {"Yes", "{category} or {category}"}) {
    EXPECT_EQ(complaint(std::string(categories) + "[answers]\n" + form + "\n[train]\nx\n"),
              "templates.txt, line 5: an answer form has {category} exactly once, as in \"This person is "
              "{category}.\"");
  }
}

TEST(Templates, FindsPlaceholders) {
  EXPECT_EQ(placeholders_of({"{a_role} in {country}", "f", 1}),
            (std::vector<std::string>{"a_role", "country"}));
  EXPECT_TRUE(placeholders_of({"none", "f", 1}).empty());
  for (const char* wrong : {"{role", "role}", "{}", "{a{b}}", "}{"}) {
    EXPECT_EQ(error_of([&] {
                placeholders_of({wrong, "f", 7});
              }),
              "f, line 7: a brace out of place; braces hold a placeholder's name, as in {role}");
  }
}

}  // namespace
}  // namespace apportion
