// One key of the configuration: how its text becomes a field of RunConfig and back, and which values are
// allowed. option_table.cpp lists the keys; job_file.h and command_line.h bring the texts.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "shared/config/run_config.h"
#include "shared/config/target.h"

namespace apportion {

/// Whether a key's value is part of the ids of the tasks that read it, because their results depend on it.
enum class Identity { yes, no };

/// The words in a row of the option table. `default_value` is canonical: as `Option::print` writes it.
struct OptionText {
  std::string key;
  std::string default_value;
  Identity identity;
  std::string help;  // one line
};

/// What a value can be in a sweep: a number has ranges; a list already is several values.
enum class OptionForm { text, number, list };

struct Option : OptionText {
  std::string value_name{};            // "N", "X", "NAME" in the help
  std::string allowed{};               // for people: "an integer from 1 to 1024"
  std::vector<std::string> choices{};  // allowed words, for completion; empty: another form
  bool flag = false;                   // may stand without a value on the command line
  OptionForm form = OptionForm::text;
  bool path = false;  // fills in ~ and $NAME in its value (path_text.h)
  /// Stores `text` in the field; returns false and stores nothing when it is not allowed.
  std::function<bool(RunConfig&, const std::string&)> assign{};
  /// The field as text, which `assign` reads back exactly: numbers take the shortest form that round-trips.
  std::function<std::string(const RunConfig&)> print{};
};

/// Allowed integers, both ends included. `reason` explains a bound that needs it.
struct IntegerRange {
  uint64_t low = 0;
  uint64_t high = std::numeric_limits<uint64_t>::max();
  std::string reason = "";
};

enum class Bound { included, excluded };

/// Allowed finite numbers.
struct NumberRange {
  double low;
  Bound low_bound;
  double high;
  Bound high_bound;
};

/// Parses a value; false unless the whole text is one. Integers are decimal digits without a sign.
bool parse_integer(const std::string& text, uint64_t& value);
bool parse_number(const std::string& text, double& value);
bool parse_flag(const std::string& text, bool& value);
/// Comma-separated words, at least one, each from `allowed` and given once; spaces around them do not count.
bool parse_list(const std::string& text, const std::vector<std::string>& allowed,
                std::vector<std::string>& value);

std::string print_number(double value);
bool contains(const NumberRange& range, double value);
std::string describe(const IntegerRange& range);
std::string describe(const NumberRange& range);
/// Without blanks and tabs at either end.
std::string trim(const std::string& text);
/// The trimmed words between commas, at least one.
std::vector<std::string> split_list(const std::string& text);
/// User text for an error: control characters as \xNN, long text cut, so that the error stays one short line.
std::string printable(const std::string& text);
std::string join(const std::vector<std::string>& words, const std::string& separator);

/// Access to a field of RunConfig, const or not: field(&RunConfig::lora, &LoraConfig::rank).
template <typename Value>
auto field(Value RunConfig::*member) {
  return [=](auto& config) -> auto& { return config.*member; };
}
template <typename Part, typename Value>
auto field(Part RunConfig::*part, Value Part::*member) {
  return [=](auto& config) -> auto& { return config.*part.*member; };
}
template <typename Part, typename Inner, typename Value>
auto field(Part RunConfig::*part, Inner Part::*inner, Value Inner::*member) {
  return [=](auto& config) -> auto& { return config.*part.*inner.*member; };
}

/// A whole number; the field is int or uint64_t and holds the range's upper end.
template <typename Field>
Option integer_option(OptionText text, Field member, const IntegerRange& range) {
  Option option{std::move(text)};
  option.value_name = "N";
  option.form = OptionForm::number;
  option.allowed = describe(range);
  option.assign = [=](RunConfig& config, const std::string& words) {
    uint64_t value = 0;
    if (!parse_integer(words, value) || value < range.low || value > range.high) return false;
    auto& target = member(config);
    target = static_cast<std::remove_reference_t<decltype(target)>>(value);
    return true;
  };
  option.print = [=](const RunConfig& config) { return std::to_string(member(config)); };
  return option;
}

/// Also accepts `auto`, stored as `automatic`, a value that none of the option's own texts may stand for.
template <typename Field>
Option or_auto(Option option, Field member, int automatic = 0) {
  option.value_name += "|auto";
  option.allowed = "auto, or " + option.allowed;
  option.assign = [=, definite = option.assign](RunConfig& config, const std::string& words) {
    if (words != "auto") return definite(config, words);
    member(config) = automatic;
    return true;
  };
  option.print = [=, definite = option.print](const RunConfig& config) {
    return member(config) == automatic ? std::string("auto") : definite(config);
  };
  return option;
}

/// Like integer_option, but also accepts auto; "0" means auto, too.
template <typename Field>
Option integer_or_auto_option(OptionText text, Field member, const IntegerRange& range) {
  Option option = or_auto(integer_option(std::move(text), member, range), member);
  option.assign = [with_auto = option.assign](RunConfig& config, const std::string& words) {
    return with_auto(config, words == "0" ? "auto" : words);
  };
  return option;
}

/// A finite double.
template <typename Field>
Option number_option(OptionText text, Field member, NumberRange range) {
  Option option{std::move(text)};
  option.value_name = "X";
  option.form = OptionForm::number;
  option.allowed = describe(range);
  option.assign = [=](RunConfig& config, const std::string& words) {
    double value = 0;
    if (!parse_number(words, value) || !contains(range, value)) return false;
    member(config) = value;
    return true;
  };
  option.print = [=](const RunConfig& config) { return print_number(member(config)); };
  return option;
}

/// Like number_option, but also accepts auto. The range excludes 0.
template <typename Field>
Option number_or_auto_option(OptionText text, Field member, NumberRange range) {
  return or_auto(number_option(std::move(text), member, range), member);
}

template <typename Field>
Option flag_option(OptionText text, Field member) {
  Option option{std::move(text)};
  option.value_name = "BOOL";
  option.allowed = "true or false";
  option.choices = {"true", "false"};
  option.flag = true;
  option.assign = [=](RunConfig& config, const std::string& words) {
    return parse_flag(words, member(config));
  };
  option.print = [=](const RunConfig& config) { return std::string(member(config) ? "true" : "false"); };
  return option;
}

/// What each name of a choice stands for.
template <typename Choice>
using Names = std::vector<std::pair<std::string, Choice>>;

/// One of the names of an enum's values.
template <typename Field, typename Enum>
Option choice_option(OptionText text, Field member, Names<Enum> choices) {
  Option option{std::move(text)};
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  option.value_name = "NAME";
  option.allowed = "one of " + join(names, ", ");
  option.choices = std::move(names);
  option.assign = [=](RunConfig& config, const std::string& words) {
    for (const auto& [name, value] : choices) {
      if (name != words) continue;
      member(config) = value;
      return true;
    }
    return false;
  };
  option.print = [=](const RunConfig& config) {
    for (const auto& [name, value] : choices) {
      if (value == member(config)) return name;
    }
    return std::string();
  };
  return option;
}

/// Comma-separated whole numbers in the range, rising, at least one.
bool parse_integers(const std::string& text, const IntegerRange& range, std::vector<uint64_t>& value);

/// Rising whole numbers; the field is a vector of uint64_t.
template <typename Field>
Option integers_option(OptionText text, Field member, const IntegerRange& range) {
  Option option{std::move(text)};
  option.value_name = "LIST";
  option.form = OptionForm::list;
  option.allowed = "a comma-separated list that rises, each " + describe(range);
  option.assign = [=](RunConfig& config, const std::string& words) {
    return parse_integers(words, range, member(config));
  };
  option.print = [=](const RunConfig& config) {
    std::vector<std::string> numbers;
    for (uint64_t number : member(config)) numbers.push_back(std::to_string(number));
    return join(numbers, ",");
  };
  return option;
}

enum class ListOrder { as_written, as_allowed };

/// Words from `allowed`. `as_allowed` sorts them, for lists that mean a set, so that one set has one text.
template <typename Field>
Option list_option(OptionText text, Field member, const std::vector<std::string>& allowed, ListOrder order) {
  Option option{std::move(text)};
  option.value_name = "LIST";
  option.form = OptionForm::list;
  option.allowed = "a comma-separated list of " + join(allowed, ", ") + ", each at most once";
  option.choices = allowed;
  option.assign = [=](RunConfig& config, const std::string& words) {
    std::vector<std::string> value;
    if (!parse_list(words, allowed, value)) return false;
    if (order == ListOrder::as_allowed) {
      std::vector<std::string> sorted;
      for (const auto& word : allowed) {
        for (const auto& chosen : value) {
          if (chosen == word) sorted.push_back(word);
        }
      }
      value = std::move(sorted);
    }
    member(config) = std::move(value);
    return true;
  };
  option.print = [=](const RunConfig& config) { return join(member(config), ","); };
  return option;
}

enum class EmptyText { allowed, refused };

/// Whether a job file, and then JSON and HDF5, can hold the text: UTF-8, no control characters, no '#' (it
/// starts a comment), no space at either end (it is trimmed).
bool is_job_file_text(const std::string& text);

/// Any text that a job file can hold.
template <typename Field>
Option text_option(OptionText text, Field member, std::string value_name, EmptyText empty) {
  Option option{std::move(text)};
  option.value_name = std::move(value_name);
  option.allowed =
      empty == EmptyText::refused ? "a name or path in UTF-8, without '#'" : "a path in UTF-8, without '#'";
  option.assign = [=](RunConfig& config, const std::string& words) {
    if (!is_job_file_text(words) || (words.empty() && empty == EmptyText::refused)) return false;
    member(config) = words;
    return true;
  };
  option.print = [=](const RunConfig& config) { return member(config); };
  return option;
}

/// Like text_option, for a path or a name that stands for one.
template <typename Field>
Option path_option(OptionText text, Field member, std::string value_name, EmptyText empty) {
  Option option = text_option(std::move(text), member, std::move(value_name), empty);
  option.path = true;
  return option;
}

/// The shares to follow; a table's path is filled in like any other.
template <typename Field>
Option target_option(OptionText text, Field member) {
  Option option{std::move(text)};
  option.path = true;
  option.value_name = "SHARES";
  option.allowed =
      "real, even, shares that add to 1 in the order of the categories as 0.9/0.1, mix SHARE from 0 to 1, or "
      "FILE.csv";
  option.assign = [=](RunConfig& config, const std::string& words) {
    return parse_target(words, member(config));
  };
  option.print = [=](const RunConfig& config) { return print_target(member(config)); };
  return option;
}

}  // namespace apportion
