// Frames: text that training puts around the wordings of a dataset that has few of them, and the rule that
// nothing so made may be close to a wording that is tested on. Which prompts are trained on is example.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/data/text_file.h"

namespace apportion {

/// What happens to a wording before it is put into a frame. Placeholders stay as they are.
enum class WordingChange {
  lower,     // all of it in lower case
  small,     // its first letter, unless that begins a name in capitals or is "I"
  unmarked,  // without the mark at its end
  doubled,   // a letter of its longest word twice
  swapped,   // two neighbours of them swapped
  dropped,   // one left out
};

struct Frame {
  std::vector<WordingChange> changes;
  std::string before, after;
};

/// One frame a line; empty lines and those that begin with # are comments. docs/datasets.md has the format.
/// Throws UserError at the line.
std::vector<Frame> parse_frames(const std::vector<TextLine>& lines);

std::string put_frame(const Frame& frame, const std::string& wording);

/// The first four words in a row that both have, whether placeholders are dropped or each counts as one word;
/// empty when there are none. Case and punctuation do not count.
std::string first_common_run(const std::string& wording, const std::string& other);

/// Wordings to add to `plain`, so that there are `wanted` in all where the frames suffice. None is there
/// twice, is one of `tested` (case and punctuation aside), or has four words in a row in common with one
/// beyond what the plain wording has.
class Framer {
 public:
  Framer(std::vector<std::string> plain, const std::vector<std::string>& tested, std::vector<Frame> frames,
         size_t wanted);

  /// The frames in an order drawn from `seed`, each around the next wording. What a frame makes of a wording
  /// is found out once, whatever the seed.
  std::vector<std::string> added(uint64_t seed);

 private:
  struct Readings;
  struct Framed {
    std::string text;
    bool is_made = false, is_near = false;  // is_near: to a tested wording
  };
  const Framed& framed(size_t frame, size_t own);

  std::vector<std::string> plain_;
  std::vector<Frame> frames_;
  size_t wanted_;
  std::shared_ptr<const Readings> readings_;  // what wordings are compared by
  std::vector<Framed> framed_;                // of each frame each plain wording
};

}  // namespace apportion
