#include "shared/measure/category.h"

#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "shared/base/error.h"
#include "shared/data/text_file.h"
#include "shared/data/words.h"

namespace apportion {
namespace {

/// Folds text for comparison, with each run of white space as one space.
icu::UnicodeString normalise(std::string_view text) {
  icu::UnicodeString folded = icu::UnicodeString::fromUTF8(fold_case(text));
  // Folding splits the Thai and the Lao AM, which dictionaries know as one.
  folded.findAndReplace(u"\u0E4D\u0E32", u"\u0E33").findAndReplace(u"\u0ECD\u0EB2", u"\u0EB3");
  icu::UnicodeString normalised;
  for (int32_t i = 0; i < folded.length(); i = folded.moveIndex32(i, 1)) {
    const UChar32 code_point = folded.char32At(i);
    if (!u_isUWhiteSpace(code_point)) {
      normalised.append(code_point);
    } else if (!normalised.endsWith(u" ", 1)) {
      normalised.append(u' ');
    }
  }
  return normalised;
}

bool is_word(UChar32 code_point) {
  return (U_GET_GC_MASK(code_point) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) != 0;
}

/// Whether no letter, digit or mark is right before or after; for a name in a script without blanks, whether
/// words begin and end there.
bool is_whole_word(const icu::UnicodeString& text, int32_t begin, int32_t end, WordBoundaries& boundaries) {
  const auto parted = [&](int32_t at, UChar32 outside, UChar32 inside) {
    return !is_word(outside) || (is_unspaced(inside) && boundaries.at(at));
  };
  if (begin > 0 && !parted(begin, text.char32At(begin - 1), text.char32At(begin))) return false;
  return end == text.length() || parted(end, text.char32At(end), text.char32At(end - 1));
}

struct Mention {
  int32_t begin;
  int32_t end;
  int category;
};

/// The mentions that no longer one overlaps (of equally long ones the later stays), in text order.
std::vector<Mention> without_overlaps(std::vector<Mention> mentions) {
  std::sort(mentions.begin(), mentions.end(), [](const Mention& a, const Mention& b) {
    const int32_t length_a = a.end - a.begin, length_b = b.end - b.begin;
    return length_a != length_b ? length_a > length_b : a.begin > b.begin;
  });
  std::vector<Mention> kept;
  for (const Mention& mention : mentions) {
    const bool overlaps = std::any_of(kept.begin(), kept.end(), [&](const Mention& other) {
      return mention.begin < other.end && other.begin < mention.end;
    });
    if (!overlaps) kept.push_back(mention);
  }
  std::sort(kept.begin(), kept.end(), [](const Mention& a, const Mention& b) { return a.end < b.end; });
  return kept;
}

}  // namespace

struct CategoryParser::Names {
  struct Name {
    icu::UnicodeString text;
    int category;
  };
  struct OfAttribute {
    std::vector<Name> all;
    size_t categories;

    std::vector<Mention> mentions_in(const icu::UnicodeString& text) const;
  };
  std::vector<OfAttribute> attributes;  // one, except for a joint dataset

  void add(const std::vector<Category>& categories, Words words);
  /// The joint category of one category per attribute; the last changes fastest.
  int index(const std::vector<int>& of_each) const;
  std::vector<Mention> mentions_in(const icu::UnicodeString& text) const;
};

CategoryParser::CategoryParser() : names_(std::make_unique<Names>()) {}

CategoryParser::CategoryParser(const std::vector<Category>& categories, Words words) : CategoryParser() {
  names_->add(categories, words);
}

CategoryParser CategoryParser::of(const Dataset& dataset, Words words) {
  if (dataset.attributes.empty()) return CategoryParser(dataset.categories, words);
  CategoryParser parser;
  for (const Attribute& attribute : dataset.attributes) parser.names_->add(attribute.categories, words);
  return parser;
}

CategoryParser::~CategoryParser() = default;
CategoryParser::CategoryParser(CategoryParser&&) noexcept = default;

size_t CategoryParser::categories() const {
  size_t product = 1;
  for (const Names::OfAttribute& attribute : names_->attributes) product *= attribute.categories;
  return product;
}

void CategoryParser::Names::add(const std::vector<Category>& categories, Words words) {
  OfAttribute& attribute = attributes.emplace_back();
  attribute.categories = categories.size();
  for (size_t category = 0; category < categories.size(); ++category) {
    std::vector<std::string> names = categories[category].names;
    if (words == Words::names_and_judge_words) {
      const std::vector<std::string>& more = categories[category].judge_words;
      names.insert(names.end(), more.begin(), more.end());
    }
    for (const std::string& name : names) {
      attribute.all.push_back({normalise(name), static_cast<int>(category)});
      ensure(!attribute.all.back().text.isEmpty(), "a category's name has at least one visible character");
    }
  }
}

int CategoryParser::Names::index(const std::vector<int>& of_each) const {
  int index = 0;
  for (size_t a = 0; a < attributes.size(); ++a) {
    if (of_each[a] == unparsed) return unparsed;
    index = index * static_cast<int>(attributes[a].categories) + of_each[a];
  }
  return index;
}

std::vector<Mention> CategoryParser::Names::mentions_in(const icu::UnicodeString& text) const {
  std::vector<std::pair<Mention, size_t>> parts;  // with their attribute, in the text's order
  for (size_t a = 0; a < attributes.size(); ++a) {
    for (const Mention& mention : attributes[a].mentions_in(text)) parts.emplace_back(mention, a);
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const auto& a, const auto& b) { return a.first.end < b.first.end; });
  const std::vector<int> none(attributes.size(), unparsed);
  std::vector<int> named = none;
  int32_t begin = -1;
  std::vector<Mention> whole;
  for (const auto& [mention, attribute] : parts) {
    if (begin < 0) begin = mention.begin;
    named[attribute] = mention.category;
    if (index(named) == unparsed) continue;
    whole.push_back({begin, mention.end, index(named)});
    named = none;
    begin = -1;
  }
  return whole;
}

std::vector<Mention> CategoryParser::Names::OfAttribute::mentions_in(const icu::UnicodeString& text) const {
  std::vector<Mention> mentions;
  WordBoundaries boundaries(text);
  for (const Name& name : all) {
    for (int32_t begin = text.indexOf(name.text); begin >= 0; begin = text.indexOf(name.text, begin + 1)) {
      const int32_t end = begin + name.text.length();
      if (is_whole_word(text, begin, end, boundaries)) mentions.push_back({begin, end, name.category});
    }
  }
  return without_overlaps(std::move(mentions));
}

int CategoryParser::parse(std::string_view text) const {
  const icu::UnicodeString whole = normalise(text);
  std::vector<int> last;
  for (const Names::OfAttribute& attribute : names_->attributes) {
    const std::vector<Mention> mentions = attribute.mentions_in(whole);
    last.push_back(mentions.empty() ? unparsed : mentions.back().category);
  }
  return names_->index(last);
}

int CategoryParser::most_mentioned(std::string_view text) const {
  const icu::UnicodeString whole = normalise(text);
  std::vector<int> most;
  for (const Names::OfAttribute& attribute : names_->attributes) {
    std::vector<int> count(attribute.categories, 0), order;  // order: by first mention
    for (const Mention& mention : attribute.mentions_in(whole)) {
      if (count[static_cast<size_t>(mention.category)]++ == 0) order.push_back(mention.category);
    }
    const auto first = std::max_element(order.begin(), order.end(), [&](int a, int b) {
      return count[static_cast<size_t>(a)] < count[static_cast<size_t>(b)];
    });
    most.push_back(first == order.end() ? unparsed : *first);
  }
  return names_->index(most);
}

CategoryParser::CutText CategoryParser::cut(std::string_view text) const {
  const icu::UnicodeString whole = normalise(text);
  const std::vector<Mention> mentions = names_->mentions_in(whole);
  auto piece = [&](int32_t begin, int32_t end) {
    std::string utf8;
    return whole.tempSubStringBetween(begin, end).toUTF8String(utf8);
  };
  CutText out{piece(0, mentions.empty() ? whole.length() : mentions.front().begin), {}};
  for (size_t i = 0; i < mentions.size(); ++i) {
    const int32_t end = i + 1 < mentions.size() ? mentions[i + 1].begin : whole.length();
    out.mentions.emplace_back(mentions[i].category, piece(mentions[i].end, end));
  }
  return out;
}

void check_answer_forms(const Dataset& dataset) {
  const CategoryParser parser = CategoryParser::of(dataset);
  const std::string placeholders = dataset.attributes.empty() ? "{category}" : "an attribute's placeholder";
  for (const Subject& subject : dataset.subjects) {
    for (size_t category = 0; category < dataset.categories.size(); ++category) {
      for (size_t form = 0; form < dataset.answer_forms.size(); ++form) {
        const std::string text = answer_saying(dataset, subject, category, form);
        const int read = parser.parse(text);
        if (read == static_cast<int>(category)) continue;
        throw UserError(dataset.path + "/templates.txt: the answer \"" + text + "\" is not read as " +
                        dataset.categories[category].names.front() +
                        (read == unparsed
                             ? ", since no whole word of it is a category's name; put a blank or a mark "
                               "before and after " +
                                   placeholders
                             : ", since the last category named counts; let nothing after " + placeholders +
                                   " name another"));
      }
    }
  }
}

}  // namespace apportion
