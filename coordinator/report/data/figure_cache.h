// DIR/figures.json: figures of cells as a report or the run that made them has read them, so that the next
// report need not open every file of thousands of cells. Each stands under a digest of all that it follows
// from: the program, the cell, its targets, and of the files their names, sizes and times of change. What
// changed has another digest and is read again; a cache that is damaged or cannot be written costs time
// alone.
#pragma once

#include <string>
#include <unordered_map>

#include "coordinator/report/data/cell_figures.h"

namespace apportion {

class FigureCache {
 public:
  explicit FigureCache(std::string directory);

  /// The digest of the cell's figures; empty where one of its files cannot be seen.
  std::string key_of(const Cell& cell) const;

  /// Puts the figures that are kept under `key` into those of a cell; false when there are none.
  bool find(const std::string& key, CellFigures& figures) const;
  /// Of a cell whose files were all read without a problem.
  void keep(const std::string& key, const CellFigures& figures);

  /// All that was read: of cells that are not looked at now.
  void keep_read() { used_.insert(read_.begin(), read_.end()); }

  /// Writes what this report has used, if that is not what was read; errors are not told.
  void save();

 private:
  std::string path_, directory_;
  std::unordered_map<std::string, std::vector<std::optional<double>>> read_, used_;
};

}  // namespace apportion
