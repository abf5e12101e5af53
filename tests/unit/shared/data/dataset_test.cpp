// A dataset's folder as a whole: what it yields, and what its tables must not contain.
#include "shared/data/dataset.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "shared/base/error.h"
#include "tests/support/dataset_folder.h"

namespace apportion {
namespace {

using testing::DatasetFolder;
using testing::error_of;

constexpr const char* templates =
    "[categories]\n0 = Yes\n1 = No\n[answers]\n{category}\n[train]\nIs {a_role} in {place}?\n[v2]\n{role}, "
    "{place}?\n";
constexpr const char* header = "subject,Yes,No,@role,@place\n";

/// The error's text after the folder's name for a targets.csv with this content.
std::string complaint(const std::string& targets, const std::string& templates_txt = templates) {
  DatasetFolder folder;
  folder.write("targets.csv", targets);
  folder.write("templates.txt", templates_txt);
  const std::string message = error_of([&] { parse_dataset(folder.path()); });
  return message.starts_with(folder.path() + "/") ? message.substr(folder.path().size() + 1) : message;
}

std::string row_complaint(const std::string& row) {
  return complaint(header + std::string("a,1,2,b,c\n") + row);
}

TEST(Dataset, ParsesAFolder) {
  DatasetFolder folder;
  folder.write(
      "targets.csv",
      "subject,Yes,No,@role,@place\r\n\"Ushers, all\",1,3,usher,Rome\r\nCooks,0.25,0.75,cook,Oslo\r\n");
  folder.write("templates.txt", templates);
  folder.write("ood.csv", "subject,Yes,No,@role,@place\nPilots,,,pilot,Oslo\nGuides,2,0,guide,Oslo\n");
  const Dataset dataset = parse_dataset(folder.path() + "/");
  EXPECT_EQ(std::filesystem::path(folder.path()).filename(), dataset.name);
  ASSERT_EQ(dataset.subjects.size(), 2u);
  EXPECT_EQ(dataset.subjects[0].name, "Ushers, all");
  EXPECT_EQ(dataset.subjects[0].target, (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ(dataset.subjects[0].placeholders.at("a_role"), "an usher");
  EXPECT_EQ(dataset.subjects[1].placeholders.at("place"), "Oslo");
  ASSERT_EQ(dataset.ood_subjects.size(), 2u);
  EXPECT_TRUE(dataset.ood_subjects[0].target.empty());
  EXPECT_EQ(dataset.ood_subjects[1].target, (std::vector<double>{1, 0}));
  EXPECT_EQ(dataset.wordings.at("v2"), (std::vector<std::string>{"{role}, {place}?"}));
}

TEST(Dataset, AnArticleColumnWins) {
  DatasetFolder folder;
  folder.write("targets.csv", "subject,Yes,No,@role,@a_role,@place\nx,1,1,Uber driver,an Uber driver,Rome\n");
  folder.write("templates.txt", templates);
  EXPECT_EQ(parse_dataset(folder.path()).subjects[0].placeholders.at("a_role"), "an Uber driver");
}

TEST(Dataset, FillsWordings) {
  const Subject subject{"s", {}, {{"role", "cook"}, {"a_role", "a cook"}}};
  EXPECT_EQ(fill_wording("{a_role} is a {role}.", subject), "a cook is a cook.");
  EXPECT_EQ(fill_wording("nothing", subject), "nothing");
  EXPECT_EQ(
      error_of([&] { fill_wording("in {country}", subject); }),
      "subject \"s\" has no value for {country} in the wording \"in {country}\"; add a column @country");
}

TEST(Dataset, DigestDependsOnContentOnly) {
  DatasetFolder folder;
  folder.write("a/set/targets.csv", std::string(header) + "x,1,1,b,c\n");
  folder.write("a/set/templates.txt", templates);
  folder.write("b/set/targets.csv", "subject,Yes,No,@role,@place\r\n\"x\",50,50,b,c\r\n\r\n");
  folder.write("b/set/templates.txt", std::string("# the same\n") + templates);
  folder.write("c/set/targets.csv", std::string(header) + "x,1,2,b,c\n");
  folder.write("c/set/templates.txt", templates);
  const auto of = [&](const char* name) { return parse_dataset(folder.path_of(name)); };
  EXPECT_EQ(of("a/set").training_digest(), of("b/set").training_digest());
  EXPECT_NE(of("a/set").training_digest(), of("c/set").training_digest());
  EXPECT_EQ(of("a/set").test_digest("heldout"), of("b/set").test_digest("heldout"));
  EXPECT_NE(of("a/set").test_digest("heldout"), of("c/set").test_digest("heldout"));
  const auto questions = [&](const char* name) { return of(name).questions_digest("heldout"); };
  EXPECT_EQ(questions("a/set"), questions("c/set")) << "shares are no part of what is asked";
  folder.write("c/set/targets.csv", std::string(header) + "y,1,1,b,c\n");
  EXPECT_NE(questions("a/set"), questions("c/set"));
}

TEST(Dataset, EachPartHasADigestOfItsOwn) {
  DatasetFolder folder;
  const std::string rows = std::string(header) + "x,1,1,b,c\n", more = templates;
  const auto digests = [&](const std::string& targets, const std::string& ood, const std::string& texts) {
    folder.write("set/targets.csv", targets);
    folder.write("set/ood.csv", ood);
    folder.write("set/templates.txt", texts);
    const Dataset dataset = parse_dataset(folder.path_of("set"));
    return std::vector<std::string>{dataset.training_digest(),      dataset.questions_digest("heldout"),
                                    dataset.questions_digest("v2"), dataset.questions_digest("ood"),
                                    dataset.test_digest("v2"),      dataset.test_digest("ood")};
  };
  const std::string ood = std::string(header) + "o,1,1,b,c\n";
  const auto base = digests(rows, ood, more);
  const auto changed = [&](const std::vector<std::string>& other) {
    std::string which;
    for (size_t i = 0; i < base.size(); ++i) which += base[i] == other[i] ? '.' : 'x';
    return which;
  };
  EXPECT_EQ(changed(digests(rows, ood, more)), "......");
  EXPECT_EQ(changed(digests(rows, ood, more + "Which {role}?\n")), "..xxxx") << "a test wording";
  EXPECT_EQ(changed(digests(rows, std::string(header) + "o,1,3,b,c\n", more)), ".....x") << "an ood target";
  EXPECT_EQ(changed(digests(std::string(header) + "x,1,3,b,c\n", ood, more)), "x...x.") << "a target";
  EXPECT_EQ(changed(digests(std::string(header) + "x,1,1,b,c\ny,1,1,b,c\n", ood, more)), "xxx.x.")
      << "a subject";
}

TEST(Dataset, NamesWrongNumbers) {
  EXPECT_EQ(row_complaint("x,-1,2,b,c\n"),
            "targets.csv, line 3: \"-1\" is negative; counts and shares are 0 or more");
  for (const char* wrong : {"many", "1 000", "0x10", "1e999", "inf", "nan", "12%", ""}) {
    EXPECT_EQ(row_complaint(std::string("x,") + wrong + ",2,b,c\n"),
              "targets.csv, line 3: \"" + std::string(wrong) +
                  "\" is not a number; write a count or a share such as 1250 or 0.5");
  }
  EXPECT_EQ(
      row_complaint("x,0,0,b,c\n"),
      "targets.csv, line 3: the row's counts add to 0; at least one must be above 0, and all within reason");
  EXPECT_EQ(row_complaint("x,1e308,1e308,b,c\n"),
            "targets.csv, line 3: the row's counts add to infinity; at least one must be above 0, and all "
            "within reason");
}

TEST(Dataset, NamesWrongRows) {
  EXPECT_EQ(row_complaint("a,1,2,b,c\n"),
            "targets.csv, line 3: subject \"a\" is there already; give each subject one row");
  EXPECT_EQ(row_complaint("\u200Da\u200E,1,2,b,c\n"),  // looks the same to a reader
            "targets.csv, line 3: subject \"\u200Da\u200E\" is there already; give each subject one row");
  EXPECT_EQ(row_complaint("\u00A0,1,2,b,c\n"),
            "targets.csv, line 3: the row has no subject; name it in the first column");
  EXPECT_EQ(row_complaint(" ,1,2,b,c\n"),
            "targets.csv, line 3: the row has no subject; name it in the first column");
  EXPECT_EQ(row_complaint("x,1,2,,c\n"), "targets.csv, line 3: column @role is empty; every row fills it");
  EXPECT_EQ(row_complaint("x,,,b,c\n"),
            "targets.csv, line 3: the row has no numbers; write a count or a share such as 1250 or 0.5 for "
            "each category");
  EXPECT_EQ(row_complaint(",,,,\n"),
            "targets.csv, line 3: the row has no subject; name it in the first column");
  EXPECT_EQ(row_complaint("\nx,1,2,b,c\n"), "targets.csv, line 3: an empty line; remove it");
  EXPECT_EQ(row_complaint("x,1,2\n"),
            "targets.csv, line 3: 3 cells; the header has 5 (quote a cell that holds the separator)");
}

TEST(Dataset, NamesWrongHeaders) {
  const std::string right = "; the header is subject,Yes,No,@role,...";
  EXPECT_EQ(complaint("name,Yes,No\nx,1,1\n"), "targets.csv, line 1: column 1 is not \"subject\"" + right);
  EXPECT_EQ(complaint("subject,No,Yes\nx,1,1\n"),
            "targets.csv, line 1: column 2 is not \"Yes\", category 0 of templates.txt" + right);
  EXPECT_EQ(complaint("subject,Yes\nx,1\n"),
            "targets.csv, line 1: column 3 is not \"No\", category 1 of templates.txt" + right);
  EXPECT_EQ(complaint("subject,Yes,No,role\nx,1,1,b\n"),
            "targets.csv, line 1: column \"role\" is neither a category nor a placeholder; "
            "name it in templates.txt or begin it with @");
  EXPECT_EQ(complaint("subject,Yes,No,@role,@role\nx,1,1,b,c\n"),
            "targets.csv, line 1: column @role appears twice; remove one");
  EXPECT_EQ(complaint("subject,Yes,No,@category\nx,1,1,b\n"),
            "targets.csv, line 1: column @category would hide {category} of the answer forms; give it "
            "another name");
  EXPECT_EQ(complaint(header),
            "targets.csv, line 1: no row follows the header; add one row for each subject");
}

TEST(Dataset, NamesAPlaceholderThatNothingFills) {
  DatasetFolder folder;
  folder.write("targets.csv", "subject,Yes,No,@role\nx,1,1,b\n");
  folder.write("templates.txt", templates);
  EXPECT_EQ(error_of([&] { parse_dataset(folder.path()); }),
            folder.path() + "/templates.txt, line 7: no column @place of " + folder.path() +
                "/targets.csv fills {place}; there are {a_role}, {role}");
}

TEST(Dataset, NamesAWordingThatIsThereTwice) {
  const std::string message =
      complaint(std::string(header) + "x,1,1,b,c\n", std::string(templates) + "Is {a_role} in {place}?\n");
  EXPECT_TRUE(message.starts_with("templates.txt, line 10: this wording is there already (")) << message;
  EXPECT_TRUE(message.ends_with("templates.txt, line 7); remove one")) << message;
}

TEST(Dataset, NamesAnAnswerFormThatIsThereTwice) {
  const std::string twice =
      "[categories]\n0 = Yes\n1 = No\n[answers]\n{category}\n{category}\n[train]\nIs it so?\n";
  const std::string message = complaint(std::string(header) + "x,1,1,b,c\n", twice);
  EXPECT_TRUE(message.starts_with("templates.txt, line 6: this answer form is there already (")) << message;
}

constexpr const char* joint =
    "[categories hair]\n0 = Dark\n1 = Fair\n[categories eyes]\n0 = Blue\n1 = Green\n[answers]\n"
    "{eyes} under {hair}: the {role}\n[train]\nHow does {a_role} look?\n";

TEST(Dataset, ParsesJointAttributes) {
  DatasetFolder folder;
  folder.write("targets.csv",
               "subject,Dark+Blue,Dark+Green,Fair+Blue,Fair+Green,@role\nCooks,1,2,0,5,cook\n");
  folder.write("templates.txt", joint);
  const Dataset dataset = parse_dataset(folder.path());
  ASSERT_EQ(dataset.categories.size(), 4u);
  EXPECT_EQ(dataset.subjects[0].target, (std::vector<double>{0.125, 0.25, 0, 0.625}));
  EXPECT_EQ(answer_saying(dataset, dataset.subjects[0], 1, 0), "Green under Dark: the cook");
  EXPECT_EQ(answer_saying(dataset, dataset.subjects[0], 2, 0), "Blue under Fair: the cook");
  Dataset other = dataset;
  other.attributes[1].categories[0].names.emplace_back("azure");
  EXPECT_NE(other.training_digest(), dataset.training_digest());
}

TEST(Dataset, NamesWrongColumnsOfJointAttributes) {
  EXPECT_EQ(complaint("subject,Dark+Blue,Fair+Blue,Dark+Green,Fair+Green\nx,1,1,1,1\n", joint),
            "targets.csv, line 1: column 3 is not \"Dark+Green\", category 1 of templates.txt; the header is "
            "subject,Dark+Blue,Dark+Green,Fair+Blue,Fair+Green,@role,...");
  EXPECT_EQ(complaint("subject,Dark+Blue,Dark+Green,Fair+Blue,Fair+Green,@eyes\nx,1,1,1,1,b\n", joint),
            "targets.csv, line 1: column @eyes would hide {eyes} of the answer forms; give it another name");
}

TEST(Dataset, OodMayNotAskAboutATrainedSubject) {
  DatasetFolder folder;
  folder.write("targets.csv", std::string(header) + "x,1,1,b,c\n");
  folder.write("templates.txt", templates);
  folder.write("ood.csv", std::string(header) + "x,,,b,c\n");
  EXPECT_EQ(error_of([&] { parse_dataset(folder.path()); }),
            folder.path() + "/ood.csv, line 2: subject \"x\" is there already; give each subject one row");
  folder.write("ood.csv", std::string(header) + "y,1,,b,c\n");
  EXPECT_TRUE(error_of([&] {
                parse_dataset(folder.path());
              }).starts_with(folder.path() + "/ood.csv, line 2: \"\" is not"));
}

TEST(Dataset, SaysWhatAFolderLacks) {
  DatasetFolder folder;
  EXPECT_EQ(error_of([&] { parse_dataset(folder.path()); }),
            folder.path() + " has no targets.csv; a dataset is a folder with targets.csv and templates.txt");
}

}  // namespace
}  // namespace apportion
