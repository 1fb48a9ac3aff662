#include "runtime/io/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/select.h>
#include <unistd.h>

#include <cstdlib>

namespace cnnc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A terminal of our own: what is written to `terminal` can be read back.
class Terminal : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TERM", "xterm-256color", 1);
    ::unsetenv("NO_COLOR");
    winsize size = {.ws_row = 24, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::openpty(&controller_, &terminal_, nullptr, nullptr, &size), 0);
  }
  void TearDown() override {
    ::close(controller_);
    ::close(terminal_);
  }
  std::string shown() const {
    char buffer[4096];
    fd_set set;
    FD_ZERO(&set);
    FD_SET(controller_, &set);
    timeval none = {};
    if (::select(controller_ + 1, &set, nullptr, nullptr, &none) <= 0) return {};
    const ssize_t size = ::read(controller_, buffer, sizeof(buffer));
    return size > 0 ? std::string(buffer, static_cast<std::size_t>(size)) : std::string();
  }

  int controller_ = -1, terminal_ = -1;
};

TEST_F(Terminal, is_recognised_with_its_width_and_colours) {
  EXPECT_TRUE(is_terminal(terminal_));
  EXPECT_EQ(terminal_width(terminal_), 60);
  EXPECT_EQ(shading_for(terminal_), Shading::colour);
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_NE(shading_for(terminal_), Shading::colour);
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  EXPECT_NE(shading_for(terminal_), Shading::colour);
}

TEST_F(Terminal, progress_is_drawn_in_place_at_most_ten_times_a_second_and_cleared) {
  {
    Progress progress(terminal_, "epoch 1", 100);
    EXPECT_TRUE(progress.due());
    progress.update(25, "loss 0.5");
    EXPECT_FALSE(progress.due());
    progress.update(26, "too soon");
    EXPECT_THAT(shown(), AllOf(HasSubstr("\repoch 1 ["), HasSubstr("25/100 loss 0.5, ETA"),
                               Not(HasSubstr("too soon"))));
  }
  EXPECT_EQ(shown(), "\r\x1b[K");
}

TEST(NoTerminal, progress_is_silent_and_nothing_is_coloured) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  EXPECT_FALSE(is_terminal(pipe_ends[1]));
  EXPECT_EQ(terminal_width(pipe_ends[1]), 80);
  EXPECT_NE(shading_for(pipe_ends[1]), Shading::colour);
  {
    Progress progress(pipe_ends[1], "epoch 1", 100);
    EXPECT_FALSE(progress.due());
    progress.update(25, "loss");
  }
  ::close(pipe_ends[1]);
  char byte;
  EXPECT_EQ(::read(pipe_ends[0], &byte, 1), 0);
  ::close(pipe_ends[0]);
}

TEST(NoTerminal, the_locale_decides_between_utf8_and_ascii) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  ::setenv("LC_ALL", "de_DE.UTF-8", 1);
  EXPECT_EQ(shading_for(pipe_ends[1]), Shading::utf8);
  ::setenv("LC_ALL", "C", 1);
  EXPECT_EQ(shading_for(pipe_ends[1]), Shading::ascii);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST(ProgressLine, fits_every_width_and_shows_the_time_left) {
  EXPECT_EQ(progress_line("epoch 1", 50, 200, "loss 0.25", 20, 79),
            "epoch 1 [######------------------] 50/200 loss 0.25, ETA 1:00");
  EXPECT_EQ(progress_line("epoch 1", 0, 200, "", 0, 79),
            "epoch 1 [------------------------] 0/200");
  EXPECT_EQ(progress_line("epoch 1", 200, 200, "", 9, 79),
            "epoch 1 [########################] 200/200");
  EXPECT_THAT(progress_line("a", 1, 10'000, "", 2, 79), HasSubstr("ETA 5:33:18"));
  EXPECT_THAT(progress_line("a", 1, 0, "", 2, 79), HasSubstr("1/0"));
  for (int width = 0; width < 100; ++width) {
    EXPECT_LE(progress_line("epoch 1", 50, 200, "loss 0.25", 20, width).size(),
              static_cast<std::size_t>(width));
  }
}

TEST(ProgressLine, leaves_out_the_last_parts_for_the_bar_and_the_time) {
  const std::string text = "epoch 1/10, loss 0.1234, accuracy 98.12 %, 24900 images/s";
  const auto line = [&](int width) {
    return progress_line("training", 1200, 4690, text, 20, width);
  };
  EXPECT_EQ(line(120),
            "training [######------------------] 1200/4690 epoch 1/10, loss 0.1234, accuracy "
            "98.12 %, 24900 images/s, ETA 0:58");
  EXPECT_EQ(line(79),
            "training [##----] 1200/4690 epoch 1/10, loss 0.1234, accuracy 98.12 %, ETA 0:58");
  EXPECT_EQ(line(70), "training [####-----------] 1200/4690 epoch 1/10, loss 0.1234, ETA 0:58");
  EXPECT_EQ(line(40), "training [##-------] 1200/4690, ETA 0:58");
}

TEST(Wrapped, breaks_at_blanks_and_long_words_anywhere) {
  EXPECT_THAT(wrapped("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrapped("one two three", 20), ElementsAre("one two three"));
  EXPECT_THAT(wrapped("a verylongword b", 6), ElementsAre("a", "verylo", "ngword", "b"));
  EXPECT_THAT(wrapped("äöü ß", 3), ElementsAre("äöü", "ß"));
  EXPECT_THAT(wrapped("", 5), ElementsAre(""));
  EXPECT_THAT(wrapped("ab", 0), ElementsAre("a", "b"));
}

TEST(DrawImage, without_colour_denser_is_brighter) {
  const std::vector<std::uint8_t> ramp = {0, 64, 128, 255, 0, 64, 128, 255};
  EXPECT_THAT(draw_image(ramp, {2, 4, 1}, Shading::ascii), ElementsAre(" :+@"));
  EXPECT_THAT(draw_image(ramp, {2, 4, 1}, Shading::utf8), ElementsAre(" ░▒█"));
}

TEST(DrawImage, with_colour_two_rows_share_a_line_and_runs_share_their_codes) {
  const std::vector<std::uint8_t> pixels = {1, 2, 3, 1, 2, 3, 4, 5, 6,
                                            4, 5, 6, 7, 8, 9, 7, 8, 9};  // three rows of two
  EXPECT_THAT(
      draw_image(pixels, {3, 2, 3}, Shading::colour),
      ElementsAre("\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀▀\x1b[0m", "\x1b[38;2;7;8;9m▀▀\x1b[0m"));
}

TEST(DrawImage, wide_images_are_reduced) {
  const std::vector<std::uint8_t> flat(100 * 200, 255);
  const auto lines = draw_image(flat, {100, 200, 1}, Shading::ascii, 40);
  EXPECT_EQ(drawn_width({100, 200, 1}, 40), 40);
  EXPECT_EQ(lines.size(), 10U);
  EXPECT_THAT(lines, testing::Each(std::string(40, '@')));
}

}  // namespace
}  // namespace cnnc
