// DIR/figures.json: figures of cells that a report, or the run that made them, has read, so that the next
// report need not open every file of thousands of cells. Each is stored under a digest of everything it
// follows from: the program, the cell's headline, its targets, and its files' names, sizes and times of
// change. Whatever changes gets another digest and is read again. A cache that is damaged or cannot be
// written only costs time.
#pragma once

#include <string>
#include <unordered_map>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

class FigureCache {
 public:
  explicit FigureCache(std::string directory);

  /// The digest of the cell's figures; empty if it has no headline or one of its files is missing.
  std::string key_of(const Cell& cell) const;

  /// Copies the figures stored under `key` into `figures`; false if there are none.
  bool find(const std::string& key, CellFigures& figures) const;
  /// Only for a cell whose files were all read without a problem.
  void keep(const std::string& key, const CellFigures& figures);

  /// Keeps everything that was in the file, also for cells that are not looked at now.
  void keep_read() { used_.insert(read_.begin(), read_.end()); }

  /// Writes what this report has used if it differs from the file; errors are ignored.
  void save();

 private:
  std::string path_, directory_;
  std::unordered_map<std::string, std::vector<std::optional<double>>> read_, used_;
};

}  // namespace apportion
