// A dataset's templates.txt: the categories' names, the forms of answers, and the wordings of questions, as
// lines. dataset.cpp, which knows the table's columns, checks that their placeholders have values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "shared/data/dataset.h"
#include "shared/data/text_file.h"

namespace apportion {

struct Templates {
  std::vector<Category> categories;
  std::vector<Attribute> attributes;  // from sections [categories NAME]; the categories are their product
  std::vector<TextLine> answers;
  std::map<std::string, std::vector<TextLine>> wordings;  // by section: "train", "v2", "v3", "stories"
};

/// The placeholders of an answer form that name a category: {category}, or the attributes' names.
std::vector<std::string> category_placeholders(const std::vector<Attribute>& attributes);

/// Reads FOLDER/templates.txt and the files that its `include = FILE` lines name (relative to the folder).
/// Throws UserError "FILE, line N: ..." for what docs/datasets.md does not allow.
Templates read_templates(const std::string& folder);

/// The names in braces in `text`, in order. Throws UserError at the line when a brace is misplaced.
std::vector<std::string> placeholders_of(const TextLine& text);

}  // namespace apportion
