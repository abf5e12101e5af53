#include "shared/data/frames.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "shared/base/counter_rng.h"
#include "shared/data/key_words.h"
#include "shared/data/words.h"

namespace apportion {
namespace {

const std::string placeholder = "{wording}";

const std::map<std::string, WordingChange>& change_names() {
  static const std::map<std::string, WordingChange> names = {
      {"lower", WordingChange::lower},       {"small", WordingChange::small},
      {"unmarked", WordingChange::unmarked}, {"doubled", WordingChange::doubled},
      {"swapped", WordingChange::swapped},   {"dropped", WordingChange::dropped},
      {"keys", WordingChange::keys},         {"first", WordingChange::first},
      {"last", WordingChange::last}};
  return names;
}

WordingChange change_named(const std::string& name, const TextLine& line) {
  const auto found = change_names().find(name);
  if (found != change_names().end()) return found->second;
  std::string known;
  for (const auto& entry : change_names()) known += (known.empty() ? "@" : ", @") + entry.first;
  fail_at(line.file, line.line, "there is no change @" + name + "; there are " + known);
}

std::string with_line_ends(std::string text) {
  for (size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at))
    text.replace(at, 2, "\n");
  return text;
}

Frame parse_frame(const TextLine& line) {
  Frame frame;
  std::string text(trim(line.text));
  while (text.starts_with('@')) {
    const size_t end = std::min(text.find(' '), text.size());
    frame.changes.push_back(change_named(text.substr(1, end - 1), line));
    text = trim(text.substr(end));
  }
  const size_t at = text.find(placeholder);
  if (at == std::string::npos || std::count(text.begin(), text.end(), '{') != 1 ||
      std::count(text.begin(), text.end(), '}') != 1) {
    fail_at(line.file, line.line, "a frame has {wording} exactly once, and no other braces");
  }
  frame.before = with_line_ends(text.substr(0, at));
  frame.after = with_line_ends(text.substr(at + placeholder.size()));
  return frame;
}

bool is_letter(char character) { return std::isalpha(static_cast<unsigned char>(character)) != 0; }
bool is_capital(char character) { return std::isupper(static_cast<unsigned char>(character)) != 0; }

/// Lower case outside braces.
std::string lowered(const std::string& wording) {
  std::string result;
  size_t offset = 0;
  while (offset < wording.size()) {
    const size_t open = std::min(wording.find('{', offset), wording.size());
    const size_t close = std::min(wording.find('}', open), wording.size() - 1);
    result += lower_case(wording.substr(offset, open - offset));
    if (open < wording.size()) result += wording.substr(open, close + 1 - open);
    offset = open < wording.size() ? close + 1 : open;
  }
  return result;
}

std::string with_small_start(std::string wording) {
  const bool is_word = wording.size() > 1 && is_capital(wording[0]) &&
                       ((is_letter(wording[1]) && !is_capital(wording[1])) || wording.starts_with("A "));
  if (is_word) wording[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(wording[0])));
  return wording;
}

std::string without_mark(const std::string& wording) {
  const size_t last = wording.find_last_not_of(".?!: ");
  return last == std::string::npos ? wording : wording.substr(0, last + 1);
}

/// The first of the longest words outside braces that are all ASCII letters: begin and size.
std::pair<size_t, size_t> longest_word(const std::string& wording) {
  std::pair<size_t, size_t> longest = {0, 0};
  size_t size = 0;
  for (size_t i = 0; i < wording.size(); ++i) {
    if (wording[i] == '{') i = std::min(wording.find('}', i), wording.size() - 1);
    size = is_letter(wording[i]) ? size + 1 : 0;
    if (size > longest.second) longest = {i + 1 - size, size};
  }
  return longest;
}

/// Puts a slip in the middle of the longest word if it has at least four letters; otherwise returns the
/// wording as it is.
std::string mistyped(std::string wording, WordingChange slip) {
  const auto [begin, size] = longest_word(wording);
  constexpr size_t least = 4;
  if (size < least) return wording;
  size_t at = begin + size / 2;
  if (slip == WordingChange::doubled) return wording.insert(at, 1, wording[at]);
  if (slip == WordingChange::dropped) return wording.erase(at, 1);
  while (at + 1 < begin + size && wording[at] == wording[at - 1]) ++at;
  std::swap(wording[at - 1], wording[at]);
  return wording;
}

std::string changed(const std::string& wording, WordingChange change) {
  switch (change) {
    case WordingChange::lower:
      return lowered(wording);
    case WordingChange::small:
      return with_small_start(wording);
    case WordingChange::unmarked:
      return without_mark(wording);
    case WordingChange::keys:
      return key_words_of(wording);
    case WordingChange::first:
      return with_placeholders_first(wording);
    case WordingChange::last:
      return with_placeholders_last(wording);
    case WordingChange::doubled:
    case WordingChange::swapped:
    case WordingChange::dropped:
      break;
  }
  return mistyped(wording, change);
}

enum class Placeholders { dropped, one_word };

/// Words without case and punctuation.
std::vector<std::string> words_of(const std::string& wording, Placeholders placeholders) {
  const std::string text = fold_case(wording);
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    const std::vector<std::string> parts =
        has_unspaced(word) ? words_by_dictionary(word) : std::vector<std::string>{word};
    if (!word.empty()) words.insert(words.end(), parts.begin(), parts.end());
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char character = static_cast<unsigned char>(text[i]);
    if (character == '{') {
      end_word();
      i = std::min(text.find('}', i), text.size());
      if (placeholders == Placeholders::one_word) words.emplace_back("{}");
    } else if (std::isalnum(character) != 0 || character >= 0x80) {
      word += text[i];
    } else if (character != '\'') {
      end_word();
    }
  }
  end_word();
  return words;
}

std::set<std::string> four_in_a_row(const std::string& wording, Placeholders placeholders) {
  const std::vector<std::string> words = words_of(wording, placeholders);
  std::set<std::string> runs;
  for (size_t i = 0; i + 4 <= words.size(); ++i)
    runs.insert(words[i] + " " + words[i + 1] + " " + words[i + 2] + " " + words[i + 3]);
  return runs;
}

/// What wordings are compared by.
struct Reading {
  explicit Reading(const std::string& wording)
      : words(words_of(wording, Placeholders::one_word)),
        runs{four_in_a_row(wording, Placeholders::dropped), four_in_a_row(wording, Placeholders::one_word)} {}
  std::vector<std::string> words;
  std::set<std::string> runs[2];
};

/// The first run of `wording`, in either form, that is among `others` and not among `own`.
std::string first_common_run_beyond(const Reading& wording, const std::set<std::string> (&others)[2],
                                    const Reading& own) {
  for (size_t form = 0; form < std::size(wording.runs); ++form) {
    for (const std::string& run : wording.runs[form]) {
      if (others[form].count(run) != 0 && own.runs[form].count(run) == 0) return run;
    }
  }
  return "";
}

/// A shuffle that depends on the seed alone.
std::vector<size_t> drawn_order(size_t count, uint64_t seed) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  CounterRng draws(seed, "frames");
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[draws.below(i)]);
  return order;
}

}  // namespace

std::vector<Frame> parse_frames(const std::vector<TextLine>& lines) {
  std::vector<Frame> frames;
  std::map<std::string, size_t> seen;
  for (const TextLine& line : lines) {
    const std::string text(trim(line.text));
    if (text.empty() || text.starts_with('#')) continue;
    const auto [first, is_new] = seen.try_emplace(text, line.line);
    if (!is_new) {
      fail_at(line.file, line.line,
              "this frame is there already (line " + std::to_string(first->second) + "); remove one");
    }
    frames.push_back(parse_frame(line));
  }
  return frames;
}

std::string put_frame(const Frame& frame, const std::string& wording) {
  std::string text = wording;
  for (const WordingChange change : frame.changes) text = changed(text, change);
  return text.empty() ? "" : frame.before + text + frame.after;
}

std::string first_common_run(const std::string& wording, const std::string& other) {
  return first_common_run_beyond(Reading(wording), Reading(other).runs, Reading(""));
}

struct Framer::Readings {
  Readings(const std::vector<std::string>& plain, const std::vector<std::string>& tested)
      : owns(plain.begin(), plain.end()) {
    for (const std::string& wording : tested) {
      Reading reading(wording);
      tested_words.insert(std::move(reading.words));
      for (size_t form = 0; form < std::size(tested_runs); ++form)
        tested_runs[form].merge(reading.runs[form]);
    }
  }

  bool is_near(const std::string& framed, size_t own) const {
    const Reading reading(framed);
    return tested_words.count(reading.words) != 0 ||
           !first_common_run_beyond(reading, tested_runs, owns[own]).empty();
  }

  std::vector<Reading> owns;
  std::set<std::vector<std::string>> tested_words;
  std::set<std::string> tested_runs[2];  // of all tested wordings
};

Framer::Framer(std::vector<std::string> plain, const std::vector<std::string>& tested,
               std::vector<Frame> frames, size_t wanted, const std::vector<Frame>& shortening)
    : sources_(std::move(plain)), plain_(sources_.size()), frames_(std::move(frames)), wanted_(wanted) {
  Readings readings(sources_, tested);
  std::set<std::string> taken(sources_.begin(), sources_.end());
  for (size_t own = 0; own < plain_; ++own) {
    for (const Frame& frame : shortening) {
      std::string text = put_frame(frame, sources_[own]);
      if (text.empty() || readings.is_near(text, own) || !taken.insert(text).second) continue;
      readings.owns.emplace_back(text);
      sources_.push_back(std::move(text));
    }
  }
  readings_ = std::make_shared<const Readings>(std::move(readings));
  framed_.resize(frames_.size() * sources_.size());
}

const Framer::Framed& Framer::framed(size_t frame, size_t own) {
  Framed& framed = framed_[frame * sources_.size() + own];
  if (!framed.is_made) {
    framed.text = put_frame(frames_[frame], sources_[own]);
    framed.is_near = readings_->is_near(framed.text, own);
    framed.is_made = true;
  }
  return framed;
}

std::vector<std::string> Framer::added(uint64_t seed) {
  const std::vector<size_t> order = drawn_order(frames_.size(), seed);
  std::set<std::string> taken(sources_.begin(), sources_.end());
  std::vector<std::string> added(sources_.begin() + static_cast<std::ptrdiff_t>(plain_), sources_.end());
  // In the first round each frame meets one wording, in the second round the next wording, and so on.
  for (size_t turn = 0; turn < sources_.size() * order.size(); ++turn) {
    if (plain_ + added.size() >= wanted_) break;
    const size_t place = turn % order.size(), round = turn / order.size();
    const Framed& next = framed(order[place], (place + round) % sources_.size());
    const bool is_new = !next.text.empty() && !next.is_near && taken.insert(next.text).second;
    if (is_new) added.push_back(next.text);
  }
  return added;
}

}  // namespace apportion
