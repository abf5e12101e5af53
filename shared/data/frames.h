// Frames: text that training puts around the wordings of a dataset with few of them, and the rule that no
// wording made like this may be close to a tested one. example.h says which prompts are trained on.
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
  keys,      // its key words (key_words.h)
  first,     // its placeholders at the beginning
  last,      // its placeholders at the end
};

struct Frame {
  std::vector<WordingChange> changes;
  std::string before, after;
};

/// Parses one frame per line; empty lines and those that begin with # are comments. docs/datasets.md has the
/// format. Throws UserError at the line.
std::vector<Frame> parse_frames(const std::vector<TextLine>& lines);

/// Empty if a change leaves nothing of the wording, as @keys does where it finds none.
std::string put_frame(const Frame& frame, const std::string& wording);

/// The first four words in a row that both have, with placeholders either dropped or counted as one word
/// each; empty when there are none. Ignores case and punctuation.
std::string first_common_run(const std::string& wording, const std::string& other);

/// Makes wordings to add to `plain`, for `wanted` in all as far as the frames suffice: first each plain
/// wording in each frame of `shortening`, then `frames` around all of these. None of them occurs twice, is
/// one of `tested` (case and punctuation aside), or shares four words in a row with a tested one unless its
/// plain wording does.
class Framer {
 public:
  Framer(std::vector<std::string> plain, const std::vector<std::string>& tested, std::vector<Frame> frames,
         size_t wanted, const std::vector<Frame>& shortening = {});

  /// Takes the frames in an order drawn from `seed`, each around the next wording. What a frame makes of a
  /// wording is worked out once, whatever the seed.
  std::vector<std::string> added(uint64_t seed);

  /// How many of the added wordings, the first ones, are shortened plain ones.
  size_t shortened() const { return sources_.size() - plain_; }

 private:
  struct Readings;
  struct Framed {
    std::string text;
    bool is_made = false, is_near = false;  // is_near: to a tested wording
  };
  const Framed& framed(size_t frame, size_t own);

  std::vector<std::string> sources_;  // the plain wordings and, after them, the shortened ones
  size_t plain_;                      // how many are plain
  std::vector<Frame> frames_;
  size_t wanted_;
  std::shared_ptr<const Readings> readings_;  // what wordings are compared by
  std::vector<Framed> framed_;                // for each frame, each source
};

}  // namespace apportion
