// What is shown for each subject of a test set: its target, its shares before and after training, and how far
// off they are; leaves out those that say too little.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/report/data/report_data.h"

namespace apportion {

/// The bounds of an exact share.
struct ShareBounds {
  double low = 0, high = 0;

  double middle() const { return (low + high) / 2; }
  double width() const { return high - low; }
};

/// How far off a subject is: its exact error, else its MAE.
enum class Closeness { unknown, good, fair, poor };

/// The category whose share is furthest from its target, and by how much.
struct WorstCategory {
  size_t category = 0;
  double difference = 0;
};

struct SubjectView {
  std::string name;
  std::vector<double> target;                    // empty: unknown
  std::vector<double> before, after;             // from the rounds; empty: too few of them have a category
  std::vector<ShareBounds> exact_before, exact;  // empty: too much is unexplored
  double parsed_before = 0, parsed = 0;          // share of rounds that have a category
  std::optional<double> error, mae, floor, p_value;
  double coverage = 0;
  Closeness closeness = Closeness::unknown;
  std::optional<WorstCategory> worst;

  /// The middle of the exact share, else the sampled share; nothing if neither is shown.
  std::optional<double> best_share(size_t category) const;
  std::optional<double> best_share_before(size_t category) const;
};

/// One test set of a cell. `exact`, errors and coverage are the trained model's, or, if that was not
/// measured, the untouched one's, and `after` is then empty.
struct SetView {
  std::string test_set;
  std::vector<std::string> categories;
  std::vector<SubjectView> subjects;
  bool is_trained = false;

  const std::vector<double>& sampled(const SubjectView& subject) const {
    return is_trained ? subject.after : subject.before;
  }
};

/// Bounds this close are shown as one number.
inline constexpr double tight_bounds = 0.001;

/// `before` or `after` may be nullptr, but not both.
SetView compare_subjects(const MeasureView* before, const MeasureView* after);

}  // namespace apportion
