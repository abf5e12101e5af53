#include "shared/data/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/data/csv.h"
#include "shared/data/templates.h"
#include "shared/data/text_file.h"
#include "shared/data/words.h"

namespace apportion {
namespace {

/// Whether a table may leave all shares of a row empty (ood.csv, where the truth may be unknown).
enum class Shares { required, optional };

/// A table whose header was checked: `subject`, the categories in order, then placeholders that begin with
/// '@'.
struct Table {
  std::string path;
  std::vector<CsvRow> rows;  // without the header
  size_t categories = 0;
  std::vector<std::string> reserved;      // placeholders that answer forms fill with a category
  std::vector<std::string> placeholders;  // without the '@', in column order
};

std::string expected_header(const std::vector<Category>& categories) {
  std::string header = "subject";
  for (const Category& category : categories) {
    const std::string& name = category.names.front();
    header += "," + (name.find(',') == std::string::npos ? name : "\"" + name + "\"");
  }
  return header + ",@role,...";
}

void check_header(const CsvRow& header, const std::vector<Category>& categories, const std::string& path) {
  const std::string right = "; the header is " + expected_header(categories);
  const auto column = [&](size_t index) {
    return index < header.cells.size() ? std::string(trim(header.cells[index])) : std::string();
  };
  if (column(0) != "subject") fail_at(path, header.line, "column 1 is not \"subject\"" + right);
  for (size_t j = 0; j < categories.size(); ++j) {
    const std::string& name = categories[j].names.front();
    if (column(j + 1) == name) continue;
    fail_at(path, header.line,
            "column " + std::to_string(j + 2) + " is not \"" + name + "\", category " + std::to_string(j) +
                " of templates.txt" + right);
  }
}

std::string placeholder_name(const std::string& cell, const Table& table, size_t line) {
  const std::string_view name = trim(cell);
  if (name.size() < 2 || name.front() != '@' || name.find_first_of("{}") != std::string_view::npos) {
    fail_at(table.path, line,
            "column \"" + std::string(name) + "\" is neither a category nor a placeholder; " +
                "name it in templates.txt or begin it with @");
  }
  std::string placeholder(name.substr(1));
  if (std::count(table.reserved.begin(), table.reserved.end(), placeholder) != 0) {
    fail_at(table.path, line,
            "column @" + placeholder + " would hide {" + placeholder +
                "} of the answer forms; give it another name");
  }
  for (const std::string& other : table.placeholders) {
    if (other == placeholder)
      fail_at(table.path, line, "column @" + placeholder + " appears twice; remove one");
  }
  return placeholder;
}

Table read_table(const std::string& path, const std::vector<Category>& categories,
                 const std::vector<Attribute>& attributes) {
  Table table{path, read_csv(path), categories.size(), category_placeholders(attributes), {}};
  const CsvRow header = table.rows.front();
  check_header(header, categories, path);
  for (size_t column = 1 + table.categories; column < header.cells.size(); ++column) {
    table.placeholders.push_back(placeholder_name(header.cells[column], table, header.line));
  }
  table.rows.erase(table.rows.begin());
  if (table.rows.empty())
    fail_at(path, header.line, "no row follows the header; add one row for each subject");
  return table;
}

double parse_share(std::string_view cell, const std::string& path, size_t line) {
  const std::string_view text = trim(cell);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    fail_at(path, line,
            "\"" + std::string(text) + "\" is not a number; write a count or a share such as 1250 or 0.5");
  }
  if (value < 0)
    fail_at(path, line, "\"" + std::string(text) + "\" is negative; counts and shares are 0 or more");
  return value;
}

/// The shares of a row, divided by their sum; empty when every cell is empty and the table allows that.
std::vector<double> parse_target(const Table& table, const CsvRow& row, Shares shares) {
  bool all_empty = true;
  for (size_t j = 0; j < table.categories; ++j) all_empty = all_empty && trim(row.cells[j + 1]).empty();
  if (all_empty && shares == Shares::optional) return {};
  if (all_empty) {
    fail_at(table.path, row.line,
            "the row has no numbers; write a count or a share such as 1250 or 0.5 for each category");
  }
  std::vector<double> target;
  double sum = 0;
  for (size_t j = 0; j < table.categories; ++j) {
    target.push_back(parse_share(row.cells[j + 1], table.path, row.line));
    sum += target.back();
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    fail_at(table.path, row.line,
            "the row's counts add to " + std::string(sum > 0 ? "infinity" : "0") +
                "; at least one must be above 0, and all within reason");
  }
  for (double& share : target) share /= sum;
  return target;
}

Subject parse_subject(const Table& table, const CsvRow& row, Shares shares) {
  Subject subject;
  subject.name = std::string(trim(row.cells.front()));
  if (visible_text(subject.name).empty())
    fail_at(table.path, row.line, "the row has no subject; name it in the first column");
  subject.target = parse_target(table, row, shares);
  for (size_t i = 0; i < table.placeholders.size(); ++i) {
    const std::string value(trim(row.cells[1 + table.categories + i]));
    if (visible_text(value).empty()) {
      fail_at(table.path, row.line, "column @" + table.placeholders[i] + " is empty; every row fills it");
    }
    subject.placeholders[table.placeholders[i]] = value;
  }
  for (const std::string& name : table.placeholders) {
    subject.placeholders.try_emplace("a_" + name, with_article(subject.placeholders[name]));
  }
  return subject;
}

std::vector<Subject> parse_subjects(const Table& table, Shares shares, std::set<std::string>& names) {
  std::vector<Subject> subjects;
  for (const CsvRow& row : table.rows) {
    subjects.push_back(parse_subject(table, row, shares));
    if (!names.insert(visible_text(subjects.back().name)).second) {
      fail_at(table.path, row.line,
              "subject \"" + subjects.back().name + "\" is there already; give each subject one row");
    }
  }
  return subjects;
}

/// Every placeholder of `line` must be a column of `table` (or derived from one), or one of `also`.
void check_placeholders(const TextLine& line, const Table& table, const std::vector<std::string>& also) {
  const std::map<std::string, std::string> known =
      parse_subject(table, table.rows.front(), Shares::optional).placeholders;
  for (const std::string& name : placeholders_of(line)) {
    if (known.count(name) != 0 || std::count(also.begin(), also.end(), name) != 0) continue;
    std::vector<std::string> names;
    for (const auto& entry : known) names.push_back("{" + entry.first + "}");
    fail_at(line.file, line.line,
            "no column @" + name + " of " + table.path + " fills {" + name + "}; there are " +
                (names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }
}

using LinesByText = std::map<std::string, const TextLine*>;

void check_distinct(const std::vector<TextLine>& lines, const std::string& what, LinesByText& seen) {
  for (const TextLine& line : lines) {
    const auto [first, is_new] = seen.try_emplace(line.text, &line);
    if (is_new) continue;
    fail_at(line.file, line.line,
            "this " + what + " is there already (" + first->second->file + ", line " +
                std::to_string(first->second->line) + "); remove one");
  }
}

void check_distinct(const Templates& templates) {
  LinesByText wordings, forms;
  for (const auto& [set, lines] : templates.wordings) check_distinct(lines, "wording", wordings);
  check_distinct(templates.answers, "answer form", forms);
}

void check_templates(const Templates& templates, const Table& table) {
  for (const TextLine& line : templates.answers) check_placeholders(line, table, table.reserved);
  for (const auto& entry : templates.wordings) {
    const bool named = entry.first == "stories";  // the second half of a line has the category
    for (const TextLine& line : entry.second)
      check_placeholders(line, table, named ? table.reserved : std::vector<std::string>());
  }
}

std::vector<std::string> texts_of(const std::vector<TextLine>& lines) {
  std::vector<std::string> texts;
  for (const TextLine& line : lines) texts.push_back(line.text);
  return texts;
}

enum class Covered { questions, questions_and_targets };

nlohmann::json to_json(const std::vector<Subject>& subjects, Covered covered) {
  nlohmann::json array = nlohmann::json::array();
  for (const Subject& subject : subjects) {
    if (covered == Covered::questions) {
      array.push_back({subject.name, subject.placeholders});
    } else {
      array.push_back({subject.name, subject.target, subject.placeholders});
    }
  }
  return array;
}

std::string digest_of(const Dataset& dataset, const std::string& set, Covered covered) {
  nlohmann::json content;
  content["name"] = dataset.name;
  for (const Category& category : dataset.categories) content["categories"].push_back(category.names);
  for (const Attribute& attribute : dataset.attributes) {
    nlohmann::json& of_attribute = content["attributes"].emplace_back();
    of_attribute["name"] = attribute.name;
    for (const Category& category : attribute.categories)
      of_attribute["categories"].push_back(category.names);
  }
  if (has_unspaced(dataset)) content["words"] = "by dictionary";  // see words.h
  content["subjects"] = to_json(set == "ood" ? dataset.ood_subjects : dataset.subjects, covered);
  content["answer_forms"] = dataset.answer_forms;
  if (const auto wordings = dataset.wordings.find(section_of(set)); wordings != dataset.wordings.end())
    content["wordings"] = wordings->second;
  return sha256(content.dump());
}

}  // namespace

std::string section_of(const std::string& test_set) {
  if (test_set == "heldout") return "train";
  return test_set == "ood" ? "v2" : test_set;
}

std::string Dataset::training_digest() const {
  return digest_of(*this, "train", Covered::questions_and_targets);
}

std::string Dataset::questions_digest(const std::string& test_set) const {
  return digest_of(*this, test_set, Covered::questions);
}

std::string Dataset::test_digest(const std::string& test_set) const {
  return digest_of(*this, test_set, Covered::questions_and_targets);
}

Dataset parse_dataset(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(folder).lexically_normal();
  for (const char* needed : {"targets.csv", "templates.txt"}) {
    if (fs::is_regular_file(root / needed)) continue;
    throw UserError(folder + " has no " + needed +
                    "; a dataset is a folder with targets.csv and templates.txt");
  }
  const Templates templates = read_templates(root.string());
  const Table targets =
      read_table((root / "targets.csv").string(), templates.categories, templates.attributes);
  check_distinct(templates);
  check_templates(templates, targets);

  Dataset dataset;
  dataset.name = (root.has_filename() ? root : root.parent_path()).filename().string();
  dataset.path = root.string();
  dataset.categories = templates.categories;
  dataset.attributes = templates.attributes;
  std::set<std::string> names;
  dataset.subjects = parse_subjects(targets, Shares::required, names);
  if (fs::is_regular_file(root / "ood.csv")) {
    const Table ood = read_table((root / "ood.csv").string(), templates.categories, templates.attributes);
    check_templates(templates, ood);
    dataset.ood_subjects = parse_subjects(ood, Shares::optional, names);
  }
  dataset.answer_forms = texts_of(templates.answers);
  for (const auto& [set, lines] : templates.wordings) dataset.wordings[set] = texts_of(lines);
  return dataset;
}

std::map<std::string, std::vector<double>> read_shares(const std::string& path, const Dataset& dataset) {
  const Table table = read_table(path, dataset.categories, dataset.attributes);
  std::set<std::string> names;
  for (const auto* subjects : {&dataset.subjects, &dataset.ood_subjects}) {
    for (const Subject& subject : *subjects) names.insert(subject.name);
  }
  std::map<std::string, std::vector<double>> shares;
  for (const CsvRow& row : table.rows) {
    const std::string name(trim(row.cells.front()));
    if (names.count(name) == 0)
      fail_at(path, row.line,
              "subject \"" + name + "\" is not one of " + dataset.path + "'s; remove the row");
    if (!shares.emplace(name, parse_target(table, row, Shares::required)).second)
      fail_at(path, row.line, "subject \"" + name + "\" is there already; give each subject one row");
  }
  return shares;
}

bool asks_for_answers(const std::string& section) {
  return !section.starts_with("keep") && section != "stories";
}

std::vector<size_t> parts_of(size_t category, const std::vector<Attribute>& attributes) {
  std::vector<size_t> of_each(attributes.size());
  for (size_t a = attributes.size(); a-- > 0;) {
    of_each[a] = category % attributes[a].categories.size();
    category /= attributes[a].categories.size();
  }
  return of_each;
}

std::string answer_saying(const Dataset& dataset, Subject subject, size_t category, size_t form) {
  return naming(dataset, std::move(subject), category, dataset.answer_forms[form]);
}

std::string naming(const Dataset& dataset, Subject subject, size_t category, const std::string& text) {
  const std::vector<size_t> of_each = parts_of(category, dataset.attributes);
  for (size_t a = 0; a < of_each.size(); ++a) {
    const Attribute& attribute = dataset.attributes[a];
    subject.placeholders[attribute.name] = attribute.categories[of_each[a]].names.front();
  }
  if (of_each.empty()) subject.placeholders["category"] = dataset.categories[category].names.front();
  return fill_wording(text, subject);
}

std::string fill_wording(const std::string& wording, const Subject& subject) {
  std::string filled;
  size_t offset = 0;
  for (size_t open = wording.find('{'); open != std::string::npos; open = wording.find('{', offset)) {
    const size_t close = wording.find('}', open);
    const std::string name = wording.substr(open + 1, close == std::string::npos ? close : close - open - 1);
    const auto value = subject.placeholders.find(name);
    if (close == std::string::npos || value == subject.placeholders.end()) {
      throw UserError("subject \"" + subject.name + "\" has no value for {" + name + "} in the wording \"" +
                      wording + "\"; add a column @" + name);
    }
    filled += wording.substr(offset, open - offset) + value->second;
    offset = close + 1;
  }
  return filled + wording.substr(offset);
}

}  // namespace apportion
