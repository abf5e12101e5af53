#include "shared/data/templates.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "shared/base/error.h"

namespace apportion {
namespace {

constexpr std::array<std::string_view, 9> section_names = {"categories", "answers",   "train", "v2",     "v3",
                                                           "keep",       "keep-test", "judge", "stories"};
constexpr std::string_view categories_of = "categories ";  // [categories NAME]: for an attribute
constexpr std::string_view judge_of = "judge ";            // [judge NAME]: for an attribute

/// Lines by section name, and the attributes' names in the order of the file.
struct Sections {
  std::map<std::string, std::vector<TextLine>> lines;
  std::vector<std::string> attributes;
};

bool is_content(std::string_view line) { return !line.empty() && line.front() != '#'; }

bool is_heading(std::string_view line) { return line.starts_with('[') && line.ends_with(']'); }

/// The value of `include = FILE`, or nothing.
std::string_view included_file(std::string_view line) {
  constexpr std::string_view keyword = "include";
  if (!line.starts_with(keyword)) return {};
  const std::string_view rest = trim(line.substr(keyword.size()));
  return rest.starts_with('=') ? trim(rest.substr(1)) : std::string_view{};
}

void include_lines(const std::string& folder, const TextLine& from, std::string_view name,
                   std::vector<TextLine>& into) {
  const std::string path = (std::filesystem::path(folder) / name).lexically_normal().string();
  if (!std::filesystem::is_regular_file(path)) {
    fail_at(from.file, from.line,
            "there is no file " + path + " to include; the name is relative to " + folder);
  }
  for (TextLine& line : read_lines(path)) {
    line.text = std::string(trim(line.text));
    if (!is_content(line.text)) continue;
    if (is_heading(line.text) || !included_file(line.text).empty()) {
      fail_at(line.file, line.line, "an included file holds plain lines only, no section and no include");
    }
    into.push_back(std::move(line));
  }
}

/// Takes the attribute's name from "categories NAME".
std::string attribute_name(const TextLine& line, std::string_view section) {
  const std::string name(trim(section.substr(categories_of.size())));
  const bool is_word = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  if (name.empty() || !is_word || name == "category") {
    fail_at(line.file, line.line,
            "[" + std::string(section) + "] names an attribute by small letters, digits and underscores, " +
                "as in [categories gender]");
  }
  return name;
}

void need_attribute(const TextLine& line, const std::string& attribute, const Sections& sections) {
  const std::vector<std::string>& known = sections.attributes;
  if (std::find(known.begin(), known.end(), attribute) != known.end()) return;
  fail_at(line.file, line.line,
          "[judge " + attribute + "] has no [categories " + attribute + "] before it; write that first");
}

std::string open_section(const TextLine& line, Sections& sections) {
  std::string name(trim(std::string_view(line.text).substr(1, line.text.size() - 2)));
  const bool is_attribute = name.starts_with(categories_of);
  if (is_attribute) {
    sections.attributes.push_back(attribute_name(line, name));
    name = std::string(categories_of) + sections.attributes.back();
  } else if (name.starts_with(judge_of)) {
    const std::string attribute(trim(std::string_view(name).substr(judge_of.size())));
    need_attribute(line, attribute, sections);
    name = std::string(judge_of) + attribute;
  } else if (std::find(section_names.begin(), section_names.end(), name) == section_names.end()) {
    fail_at(line.file, line.line,
            "unknown section [" + name +
                "]; there are [categories], [answers], [train], [v2], [v3], [keep], [keep-test], [judge] and "
                "[stories]");
  }
  if (!sections.lines.try_emplace(name).second) {
    fail_at(line.file, line.line, "section [" + name + "] appears twice; join the two");
  }
  if (!sections.attributes.empty() && sections.lines.count("categories") != 0) {
    fail_at(line.file, line.line,
            "[categories] together with [categories NAME]; give each a name, or have one section without");
  }
  return name;
}

void need_sections(Sections& sections, const std::string& path) {
  std::vector<std::string> needed = {"answers", "train"};
  for (const std::string& attribute : sections.attributes)
    needed.push_back(std::string(categories_of) + attribute);
  if (sections.attributes.empty()) needed.insert(needed.begin(), "categories");
  for (const std::string& name : needed) {
    if (sections.lines[name].empty()) {
      throw UserError(path + ": section [" + name + "] is missing or empty; add it with at least one line");
    }
  }
}

Sections read_sections(const std::string& folder, const std::string& path) {
  Sections sections;
  std::string current;
  for (TextLine& line : read_lines(path)) {
    line.text = std::string(trim(line.text));
    if (!is_content(line.text)) continue;
    if (is_heading(line.text)) {
      current = open_section(line, sections);
    } else if (current.empty()) {
      fail_at(path, line.line, "a line before the first section; begin with [categories]");
    } else if (const std::string_view name = included_file(line.text); !name.empty()) {
      include_lines(folder, line, name, sections.lines[current]);
    } else {
      sections.lines[current].push_back(std::move(line));
    }
  }
  need_sections(sections, path);
  return sections;
}

/// The names in "NUMBER = NAME | NAME": what follows the equals sign.
std::vector<std::string> parse_names(const TextLine& line, size_t equals, const std::string& number) {
  std::vector<std::string> names;
  std::string_view rest = std::string_view(line.text).substr(equals + 1);
  for (size_t bar = 0; bar != std::string_view::npos;) {
    bar = rest.find('|');
    const std::string_view name = trim(rest.substr(0, bar));
    if (trim(fold_case(name)).empty())
      fail_at(line.file, line.line, "an empty name; write \"" + number + " = NAME | SYNONYM\"");
    names.emplace_back(name);
    if (bar != std::string_view::npos) rest.remove_prefix(bar + 1);
  }
  return names;
}

Category parse_category(const TextLine& line, size_t index) {
  const std::string number = std::to_string(index);
  const size_t equals = line.text.find('=');
  if (equals == std::string::npos || trim(std::string_view(line.text).substr(0, equals)) != number) {
    fail_at(line.file, line.line,
            "categories are numbered 0, 1, 2 ... in order; write \"" + number + " = NAME\" here");
  }
  return {parse_names(line, equals, number)};
}

/// The category that has each name, folded.
using Owners = std::map<std::string, size_t>;

void add_owners(const TextLine& line, const std::vector<std::string>& names, size_t category,
                Owners& owners) {
  for (const std::string& name : names) {
    const auto [owner, is_new] = owners.try_emplace(fold_case(name), category);
    if (is_new) continue;
    fail_at(line.file, line.line,
            "\"" + name + "\" already names category " + std::to_string(owner->second) +
                " (ignoring case); a name belongs to one category, once");
  }
}

/// Adds the words of "NUMBER = WORD | WORD" lines, which may leave categories out.
void add_judge_words(const std::vector<TextLine>& lines, std::vector<Category>& categories, Owners& owners) {
  for (const TextLine& line : lines) {
    const size_t equals = line.text.find('=');
    const std::string number(trim(std::string_view(line.text).substr(0, equals)));
    size_t category = 0;
    while (category < categories.size() && number != std::to_string(category)) ++category;
    if (equals == std::string::npos || category == categories.size()) {
      fail_at(
          line.file, line.line,
          "a line of a judge's words begins with the number of a category; write \"0 = he | him\", with " +
              std::to_string(categories.size() - 1) + " as the last number");
    }
    std::vector<std::string> words = parse_names(line, equals, number);
    add_owners(line, words, category, owners);
    std::vector<std::string>& all = categories[category].judge_words;
    all.insert(all.end(), words.begin(), words.end());
  }
}

std::vector<Category> parse_categories(const std::vector<TextLine>& lines, const std::vector<TextLine>& judge,
                                       const std::string& path) {
  if (lines.size() < 2) throw UserError(path + ": one category only; a distribution needs at least two");
  std::vector<Category> categories;
  Owners owners;
  for (const TextLine& line : lines) {
    categories.push_back(parse_category(line, categories.size()));
    add_owners(line, categories.back().names, categories.size() - 1, owners);
  }
  add_judge_words(judge, categories, owners);
  return categories;
}

std::vector<Attribute> parse_attributes(Sections& sections, const std::string& path) {
  if (sections.attributes.size() == 1) {
    throw UserError(path + ": [" + std::string(categories_of) + sections.attributes.front() +
                    "] is the only attribute; call the section [categories]");
  }
  constexpr size_t most_joint = 1000;  // each is a column of targets.csv
  size_t joint = 1;
  std::vector<Attribute> attributes;
  for (const std::string& name : sections.attributes) {
    const std::vector<TextLine>& lines = sections.lines[std::string(categories_of) + name];
    attributes.push_back({name, parse_categories(lines, sections.lines[std::string(judge_of) + name], path)});
    joint *= attributes.back().categories.size();
    if (joint > most_joint) {
      fail_at(lines.front().file, lines.front().line,
              "the attributes up to [" + std::string(categories_of) + name + "] have " +
                  std::to_string(joint) + " joint categories; " + std::to_string(most_joint) +
                  " is the most");
    }
    for (size_t j = 0; j < lines.size(); ++j) {
      if (attributes.back().categories[j].names.front().find('+') == std::string::npos) continue;
      fail_at(lines[j].file, lines[j].line,
              "a + in a name of a joint attribute; in targets.csv a + separates the attributes' names");
    }
  }
  return attributes;
}

/// "Male+White" and so on, the last attribute changing fastest.
std::vector<Category> product_of(const std::vector<Attribute>& attributes) {
  std::vector<Category> product = {{{""}}};
  for (const Attribute& attribute : attributes) {
    std::vector<Category> longer;
    for (const Category& first : product) {
      const std::string before = first.names.front().empty() ? "" : first.names.front() + "+";
      for (const Category& last : attribute.categories) longer.push_back({{before + last.names.front()}});
    }
    product = std::move(longer);
  }
  return product;
}

/// "{gender}, {race}".
std::string category_braces(const std::vector<Attribute>& attributes) {
  std::string all;
  for (const std::string& name : category_placeholders(attributes))
    all += (all.empty() ? "{" : ", {") + name + "}";
  return all;
}

/// Whether each placeholder of a category occurs so many times.
bool names_categories(const TextLine& line, const std::vector<Attribute>& attributes, int times) {
  const std::vector<std::string> names = placeholders_of(line);
  const std::vector<std::string> wanted = category_placeholders(attributes);
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) {
    return std::count(names.begin(), names.end(), name) == times;
  });
}

/// Checks a line "NEUTRAL | NAMED", which has the category only in its second half.
void check_story_line(const TextLine& line, const std::vector<Attribute>& attributes) {
  const size_t bar = line.text.find('|');
  const TextLine neutral{line.text.substr(0, bar), line.file, line.line};
  const TextLine named{bar == std::string::npos ? "" : line.text.substr(bar + 1), line.file, line.line};
  const bool halves = std::count(line.text.begin(), line.text.end(), '|') == 1 && !trim(neutral.text).empty();
  if (halves && names_categories(neutral, attributes, 0) && names_categories(named, attributes, 1)) return;
  fail_at(line.file, line.line,
          "a line of [stories] is \"NEUTRAL | NAMED\", and only NAMED has " + category_braces(attributes) +
              (attributes.empty() ? ", once" : ", once each"));
}

void check_answer_form(const TextLine& line, const std::vector<Attribute>& attributes) {
  if (names_categories(line, attributes, 1)) return;
  const std::string all = category_braces(attributes);
  const std::string example = attributes.empty() ? "This person is {category}." : all;
  fail_at(line.file, line.line,
          "an answer form has " + all + (attributes.empty() ? " exactly once" : " exactly once each") +
              ", as in \"" + example + "\"");
}

}  // namespace

std::vector<std::string> category_placeholders(const std::vector<Attribute>& attributes) {
  std::vector<std::string> names;
  for (const Attribute& attribute : attributes) names.push_back(attribute.name);
  return names.empty() ? std::vector<std::string>{"category"} : names;
}

Templates read_templates(const std::string& folder) {
  const std::string path = (std::filesystem::path(folder) / "templates.txt").string();
  Sections sections = read_sections(folder, path);
  Templates templates;
  templates.attributes = parse_attributes(sections, path);
  const std::vector<TextLine>& judge = sections.lines["judge"];
  if (!templates.attributes.empty() && !judge.empty()) {
    fail_at(judge.front().file, judge.front().line,
            "[judge] together with [categories NAME]; write [judge NAME] for each attribute's words");
  }
  templates.categories = templates.attributes.empty()
                             ? parse_categories(sections.lines["categories"], judge, path)
                             : product_of(templates.attributes);
  templates.answers = std::move(sections.lines["answers"]);
  for (const TextLine& line : templates.answers) check_answer_form(line, templates.attributes);
  for (const TextLine& line : sections.lines["stories"]) check_story_line(line, templates.attributes);
  for (const char* name : {"train", "v2", "v3", "keep", "keep-test", "stories"}) {
    if (!sections.lines[name].empty()) templates.wordings[name] = std::move(sections.lines[name]);
  }
  return templates;
}

std::vector<std::string> placeholders_of(const TextLine& text) {
  std::vector<std::string> names;
  const std::string_view line = text.text;
  for (size_t brace = line.find_first_of("{}"); brace != std::string_view::npos;) {
    const size_t end = line.find_first_of("{}", brace + 1);
    const bool closed =
        line[brace] == '{' && end != std::string_view::npos && line[end] == '}' && end > brace + 1;
    if (!closed)
      fail_at(text.file, text.line, "a brace out of place; braces hold a placeholder's name, as in {role}");
    names.emplace_back(line.substr(brace + 1, end - brace - 1));
    brace = line.find_first_of("{}", end + 1);
  }
  return names;
}

}  // namespace apportion
