#include "coordinator/status.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <set>

#include "shared/base/clock.h"

namespace apportion {
namespace {

constexpr int bar_width = 8;
/// With more groups than this there is one line per stage.
constexpr size_t most_lines = 4;

StatusOptions options_for(const OutputConfig& output) {
  StatusOptions options;
  options.style = detect_style(stderr);
  options.mode = output.quiet             ? StatusMode::quiet
                 : options.style.terminal ? StatusMode::terminal
                                          : StatusMode::log;
  struct winsize size {};
  if (options.style.terminal && ::ioctl(::fileno(stderr), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    options.width = size.ws_col;
  }
  return options;
}

std::string rate(double tokens_per_second) {
  if (tokens_per_second >= 1e6) return fmt::format("{:.1f}M tok/s", tokens_per_second / 1e6);
  if (tokens_per_second >= 1e4) return fmt::format("{:.1f}k tok/s", tokens_per_second / 1e3);
  return fmt::format("{:.0f} tok/s", tokens_per_second);
}

/// The progress of several groups in the same stage, as if they were one: steps are added up.
class JoinedProgress {
 public:
  void add(const Progress& one) {
    ++groups_;
    sum_.step += one.step;
    sum_.steps += one.steps;
    sum_.tokens_per_second += one.tokens_per_second;
    sum_.peak_share += one.peak_share;
    sum_.retain += one.retain;
    sum_.seconds_left = std::max(sum_.seconds_left, one.seconds_left);
    loss_ += one.loss;
    kl_ += one.kl;
    coverage_ += one.coverage;
  }
  /// "stage 1 x64"; needs at least one group. Figures are means, unknown if any group's is.
  Progress whole(const std::string& stage) const {
    const auto groups = static_cast<double>(groups_);
    Progress whole = sum_;
    whole.stage = stage + fmt::format(" x{}", groups_);
    whole.peak_share /= groups;
    whole.retain /= groups;
    whole.loss = loss_ / groups;
    whole.kl = kl_ / groups;
    whole.coverage = coverage_ / groups;
    return whole;
  }

 private:
  size_t groups_ = 0;
  Progress sum_;
  double loss_ = 0, kl_ = 0, coverage_ = 0;
};

}  // namespace

std::string render_time(double seconds) {
  long whole = std::lround(std::clamp(seconds, 0.0, 1e8));
  long minutes = whole / 60 % 60, hours = whole / 3600;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string render_ranks(std::vector<int> ranks) {
  std::sort(ranks.begin(), ranks.end());
  if (ranks.size() == 1) return fmt::format("rank {}", ranks[0]);
  constexpr size_t most_runs = 4;
  std::vector<std::string> runs;
  for (size_t first = 0, next = 0; first < ranks.size(); first = next) {
    next = first + 1;
    while (next < ranks.size() && ranks[next] == ranks[next - 1] + 1) ++next;
    runs.push_back(next - first == 1 ? std::to_string(ranks[first])
                                     : fmt::format("{}-{}", ranks[first], ranks[next - 1]));
  }
  if (runs.size() > most_runs) return fmt::format("{} ranks", ranks.size());
  return fmt::format("ranks {}", fmt::join(runs, ","));
}

std::string render_progress(const std::string& who, const Progress& progress, const Style& style) {
  const double share =
      progress.steps > 0 ? static_cast<double>(progress.step) / static_cast<double>(progress.steps) : 0;
  const char* edge = style.charset == Charset::unicode ? "▕" : "[";
  const char* end = style.charset == Charset::unicode ? "▏" : "]";
  std::string text = left(who, 9) + " " + left(printable(style, progress.stage, 24), 18) + " " +
                     right(fmt::format("{}/{}", progress.step, progress.steps), 7) + " " + edge +
                     painted(style, Paint::green, bar(style, share, bar_width)) + end;
  if (std::isfinite(progress.seconds_left) && progress.step > 0) {
    text += " " + render_time(progress.seconds_left) + " left";
  }
  auto add = [&text](const char* name, double value) {
    if (std::isfinite(value)) text += fmt::format(" {} {:.3f}", name, value);
  };
  add("loss", progress.loss);
  add("KL", progress.kl);
  add("cov", progress.coverage);
  if (progress.retain > 0) add("retain", progress.retain);
  if (progress.tokens_per_second > 0) text += " " + rate(progress.tokens_per_second);
  if (progress.peak_share > 0) text += fmt::format(" {:.0f}% peak", 100 * progress.peak_share);
  return text;
}

Status::Status(const StatusOptions& options, std::ostream& out, std::function<double()> clock)
    : options_(options), out_(out), clock_(std::move(clock)) {}

Status::Status(const OutputConfig& output) : Status(options_for(output), std::cerr, seconds_now) {}

Status::~Status() {
  erase();
  out_.flush();
}

void Status::show(const std::vector<int>& ranks, const Progress& progress) {
  show_as(ranks, render_ranks(ranks), progress);
}

void Status::show_work(const std::string& who, const Progress& progress) { show_as({}, who, progress); }

void Status::show_as(const std::vector<int>& ranks, const std::string& who, const Progress& progress) {
  if (options_.mode == StatusMode::quiet) return;
  const double now = clock_();
  auto [at, is_new] = groups_.try_emplace(ranks);
  Group& group = at->second;
  if (is_new) group.started = now;
  const bool new_stage =
      group.progress.stage != progress.stage || (group.progress.step == 0 && progress.step > 0);
  group.who = who;
  group.progress = progress;
  if (options_.mode == StatusMode::log) {
    log(group, new_stage, is_joined() && !ranks.empty());
  } else {
    erase();
    draw();
  }
}

/// A group's line is printed at once for a new stage and for its first step; so is the first joined line of a
/// stage.
void Status::log(Group& group, bool new_stage, bool joins) {
  const double now = clock_();
  if (joins) {
    const auto [shown, is_first] = stages_shown_.try_emplace(group.progress.stage, now);
    if (!is_first && now - shown->second < options_.log_period) return;
    shown->second = now;
    print(joined_line(group.progress.stage));
    return;
  }
  if (!new_stage && now - group.shown < options_.log_period) return;
  group.shown = now;
  print(render_progress(group.who, group.progress, options_.style));
}

bool Status::is_joined() const {
  return groups_.size() - groups_.count(std::vector<int>{}) >
         most_lines;  // work that no rank does has its own line
}

std::string Status::joined_line(const std::string& stage) const {
  std::vector<int> all;
  JoinedProgress progress;
  for (const auto& [ranks, group] : groups_) {
    if (ranks.empty() || group.progress.stage != stage) continue;
    all.insert(all.end(), ranks.begin(), ranks.end());
    progress.add(group.progress);
  }
  return render_progress(render_ranks(all), progress.whole(stage), options_.style);
}

void Status::drop(const std::vector<int>& ranks) {
  erase();
  groups_.erase(ranks);
  draw();
}

void Status::finish(const std::vector<int>& ranks, const std::string& task) {
  auto group = groups_.find(ranks);
  std::string text = left(render_ranks(ranks), 9) + " " + printable(options_.style, task) + " done";
  if (group != groups_.end()) {
    text += " in " + render_time(clock_() - group->second.started);
    erase();
    groups_.erase(group);
  }
  line(text);
}

void Status::line(const std::string& text) {
  if (options_.mode == StatusMode::quiet) return;
  erase();
  print(text);
  draw();
}

void Status::warn(const std::string& text) {
  erase();
  print("apportion: warning: " + printable(options_.style, text));
  draw();
}

void Status::print(const std::string& text) { out_ << text << "\n" << std::flush; }

// Moves up over the groups' lines and clears from there to the end of the screen.
void Status::erase() {
  if (drawn_ > 0) out_ << "\x1b[" << drawn_ << "A\x1b[J";
  drawn_ = 0;
}

void Status::draw() {
  if (options_.mode != StatusMode::terminal) return;
  std::set<std::string> stages;
  for (const auto& [ranks, group] : groups_) {
    const bool joins = is_joined() && !ranks.empty();
    if (joins && !stages.insert(group.progress.stage).second) continue;
    std::string text = joins ? joined_line(group.progress.stage)
                             : render_progress(group.who, group.progress, options_.style);
    // A line that is too long loses its colours before it is cut: a cut escape sequence would spill.
    if (columns_of(text) >= options_.width) text = without_paint(text, options_.width - 1);
    out_ << text << "\n";
    ++drawn_;
  }
  out_ << std::flush;
}

WorkProgress::WorkProgress(Status& status, std::string who, const std::string& what)
    : status_(status), who_(std::move(who)), began_(status.now()) {
  progress_.stage = what;
}

WorkProgress::~WorkProgress() {
  if (shown_ > 0) status_.drop({});
}

void WorkProgress::operator()(size_t done, size_t all) {
  constexpr double silent_s = 1, interval_s = 0.2;
  const double now = status_.now();
  if (now - began_ < silent_s || now - shown_ < interval_s) return;
  shown_ = now;
  progress_.step = static_cast<int64_t>(done);
  progress_.steps = static_cast<int64_t>(std::max(all, done));
  progress_.seconds_left = seconds_left(now - began_, progress_.step, progress_.steps);
  status_.show_work(who_, progress_);
}

}  // namespace apportion
