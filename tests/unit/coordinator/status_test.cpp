// Progress lines: their text, the rhythm of a log, redrawing on a terminal, and silence.
#include "coordinator/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::Not;

Progress progress_at(int64_t step) {
  Progress progress;
  progress.task_id = "1";
  progress.stage = "stage 1";
  progress.step = step;
  progress.steps = 200;
  progress.loss = 0.7123;
  progress.kl = 0.021;
  progress.coverage = 0.998;
  progress.retain = 0.017;
  progress.tokens_per_second = 1234;
  progress.peak_share = 0.41;
  progress.seconds_left = 42;
  return progress;
}

// What a tall terminal shows after `bytes`: handles line feeds, "up N", and "clear to the end of the screen".
std::vector<std::string> screen_after(const std::string& bytes) {
  std::vector<std::string> lines(1);
  size_t row = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\n') {
      if (++row == lines.size()) lines.emplace_back();
    } else if (bytes.compare(i, 3, "\x1b[J") == 0) {
      lines.resize(row + 1);
      lines[row].clear();
      i += 2;
    } else if (bytes[i] == '\x1b') {
      size_t end = bytes.find('A', i);
      row -= std::stoul(bytes.substr(i + 2, end - i - 2));
      i = end;
    } else {
      lines[row] += bytes[i];
    }
  }
  return lines;
}

class StatusTest : public testing::Test {
 protected:
  StatusOptions options(StatusMode mode) const {
    StatusOptions options;
    options.mode = mode;
    return options;
  }
  std::function<double()> clock() {
    return [this] { return now_; };
  }
  std::ostringstream out_;
  double now_ = 100;
};

TEST(RenderProgress, HasEveryNumber) {
  std::string line = render_progress("ranks 0-3", progress_at(120), Style{});
  for (const char* part : {"ranks 0-3", "stage 1", "120/200", "loss 0.712", "KL 0.021", "cov 0.998",
                           "retain 0.017", "1234 tok/s", "41% peak", "0:42 left"}) {
    EXPECT_THAT(line, HasSubstr(part));
  }
  EXPECT_LE(columns_of(line), 120);
}

TEST(RenderProgress, LeavesOutWhatIsNotKnown) {
  Progress progress = progress_at(0);
  progress.retain = 0;
  progress.loss = progress.kl = progress.coverage = std::numeric_limits<double>::quiet_NaN();
  progress.tokens_per_second = progress.peak_share = 0;
  progress.steps = 0;
  std::string line = render_progress("rank 0", progress, Style{});
  for (const char* part : {"loss", "KL", "cov", "retain", "nan", "tok/s", "peak", "left"})
    EXPECT_THAT(line, Not(HasSubstr(part)));
}

TEST(RenderTime, IsShort) {
  EXPECT_EQ(render_time(0.4), "0:00");
  EXPECT_EQ(render_time(42), "0:42");
  EXPECT_EQ(render_time(723), "12:03");
  EXPECT_EQ(render_time(11109), "3:05:09");
}

TEST(RenderRanks, NamesRuns) {
  EXPECT_EQ(render_ranks({0}), "rank 0");
  EXPECT_EQ(render_ranks({1, 0, 2}), "ranks 0-2");
  EXPECT_EQ(render_ranks({5, 0, 2}), "ranks 0,2,5");
  EXPECT_EQ(render_ranks({9, 8, 0, 1, 3}), "ranks 0-1,3,8-9");
  EXPECT_EQ(render_ranks({0, 2, 4, 6, 8, 10}), "6 ranks");
}

TEST_F(StatusTest, ALogHasALineEachFiveSecondsPerGroup) {
  Status status(options(StatusMode::log), out_, clock());
  for (int64_t step = 1; step <= 11; ++step, now_ += 1) {
    status.show({0}, progress_at(step));
    status.show({1}, progress_at(step));
  }
  std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
  EXPECT_THAT(text, HasSubstr(" 1/200"));
  EXPECT_THAT(text, HasSubstr(" 6/200"));
  EXPECT_THAT(text, HasSubstr("11/200"));
  EXPECT_THAT(text, Not(HasSubstr(" 3/200")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(StatusTest, SixtyFourGroupsTakeALineOfEachStage) {
  Status status(options(StatusMode::terminal), out_, clock());
  for (int rank = 0; rank < 64; ++rank) status.show({rank}, progress_at(rank % 2 == 0 ? 10 : 30));
  std::vector<std::string> lines = screen_after(out_.str());
  ASSERT_EQ(lines.size(), 2) << "and an empty one";
  for (const char* part : {"ranks 0-63", "stage 1 x64", "1280/12800", "loss 0.712"})
    EXPECT_THAT(lines[0], HasSubstr(part));
  Progress other = progress_at(1);
  other.stage = "measure after, v2";
  status.show({63}, other);
  lines = screen_after(out_.str());
  ASSERT_EQ(lines.size(), 3);
  EXPECT_THAT(lines[0], HasSubstr("ranks 0-62"));
  EXPECT_THAT(lines[1], HasSubstr("rank 63"));
  for (int rank = 4; rank < 64; ++rank) status.drop({rank});
  EXPECT_EQ(screen_after(out_.str()).size(), 5) << "few have a line each";
}

TEST_F(StatusTest, WorkOfNoRankHasALineOfItsOwnBesideJoinedOnes) {
  Status status(options(StatusMode::terminal), out_, clock());
  for (int rank = 0; rank < 4; ++rank) status.show({rank}, progress_at(10));
  Progress cells = progress_at(3);
  cells.stage = "cells";
  status.show_work("index", cells);
  EXPECT_EQ(screen_after(out_.str()).size(), 6) << "four groups and the index have a line each";
  status.show({4}, progress_at(10));
  const std::vector<std::string> lines = screen_after(out_.str());
  ASSERT_EQ(lines.size(), 3) << "five groups share one";
  EXPECT_THAT(lines[0] + lines[1], AllOf(HasSubstr("index"), HasSubstr("ranks 0-4"), Not(HasSubstr(" x1"))));
}

TEST_F(StatusTest, ALogOfManyGroupsHasALineEachFiveSecondsForAll) {
  Status status(options(StatusMode::log), out_, clock());
  for (int rank = 0; rank < 64; ++rank) status.show({rank}, progress_at(1));
  out_.str("");
  for (int64_t step = 1; step <= 11; ++step, now_ += 1) {
    for (int rank = 0; rank < 64; ++rank) status.show({rank}, progress_at(step));
  }
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_THAT(text, HasSubstr("ranks 0-63"));
}

TEST_F(StatusTest, WorkOfNoRankIsShownAfterASecond) {
  Status status(options(StatusMode::terminal), out_, clock());
  {
    WorkProgress progress(status, "verify", "results");
    progress(0, 40);
    now_ += 0.9;
    progress(10, 40);
    EXPECT_EQ(out_.str(), "");
    now_ += 0.1;
    progress(20, 40);
    const std::vector<std::string> lines = screen_after(out_.str());
    ASSERT_EQ(lines.size(), 2);
    for (const char* part : {"verify", "results", "20/40", "0:01 left"})
      EXPECT_THAT(lines[0], HasSubstr(part));
    now_ += 0.1;
    progress(21, 40);
    EXPECT_THAT(screen_after(out_.str())[0], HasSubstr("20/40")) << "not more often than anyone reads";
  }
  EXPECT_EQ(screen_after(out_.str()), std::vector<std::string>{""});
}

TEST_F(StatusTest, TheFirstStepIsShownAtOnce) {
  Status status(options(StatusMode::log), out_, clock());
  for (int64_t step : {0, 1, 2}) status.show({0}, progress_at(step));
  EXPECT_THAT(out_.str(), testing::AllOf(HasSubstr(" 0/200"), HasSubstr(" 1/200"), Not(HasSubstr(" 2/200"))));
}

TEST_F(StatusTest, ANewStageIsShownAtOnce) {
  Status status(options(StatusMode::log), out_, clock());
  status.show({0}, progress_at(1));
  Progress next = progress_at(1);
  next.stage = "stage 2";
  status.show({0}, next);
  EXPECT_THAT(out_.str(), HasSubstr("stage 2"));
}

TEST_F(StatusTest, ATerminalIsRedrawnInPlace) {
  Status status(options(StatusMode::terminal), out_, clock());
  for (int64_t step = 1; step <= 30; ++step, now_ += 1) {
    status.show({0}, progress_at(step));
    status.show({1, 2}, progress_at(step + 100));
  }
  std::vector<std::string> screen = screen_after(out_.str());
  ASSERT_EQ(screen.size(), 3u);  // two groups and the cursor's line
  EXPECT_THAT(screen[0], HasSubstr("30/200"));
  EXPECT_THAT(screen[1], HasSubstr("130/200"));
}

TEST_F(StatusTest, PermanentLinesStayAboveTheGroups) {
  Status status(options(StatusMode::terminal), out_, clock());
  status.show({0}, progress_at(1));
  status.line("hello");
  now_ += 63;
  status.show({0}, progress_at(2));
  status.show({1}, progress_at(3));
  status.finish({0}, "stage 1");
  status.warn("careful");
  std::vector<std::string> screen = screen_after(out_.str());
  ASSERT_EQ(screen.size(), 5u);
  EXPECT_EQ(screen[0], "hello");
  EXPECT_EQ(screen[1], "rank 0    stage 1 done in 1:03");
  EXPECT_EQ(screen[2], "apportion: warning: careful");
  EXPECT_THAT(screen[3], HasSubstr("3/200"));
}

TEST_F(StatusTest, NothingIsLeftOfTheGroupsAtTheEnd) {
  {
    Status status(options(StatusMode::terminal), out_, clock());
    status.show({0}, progress_at(1));
  }
  EXPECT_EQ(screen_after(out_.str()), std::vector<std::string>{""});
}

TEST_F(StatusTest, LongLinesAreCutToTheTerminal) {
  StatusOptions narrow = options(StatusMode::terminal);
  narrow.width = 40;
  narrow.style.color = Color::on;
  {
    Status status(narrow, out_, clock());
    status.show({0}, progress_at(1));
    std::string line = out_.str();
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    EXPECT_EQ(columns_of(line.substr(0, line.find('\n'))), 39);
  }
}

TEST_F(StatusTest, QuietShowsWarningsOnly) {
  Status status(options(StatusMode::quiet), out_, clock());
  status.show({0}, progress_at(1));
  status.line("hello");
  status.finish({0}, "");
  EXPECT_EQ(out_.str(), "");
  status.warn("careful");
  EXPECT_EQ(out_.str(), "apportion: warning: careful\n");
}

}  // namespace
}  // namespace apportion
