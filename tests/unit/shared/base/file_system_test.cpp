// Files that are replaced as a whole or written through, maps and streams.
#include "shared/base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "shared/base/error.h"

namespace apportion {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class FileSystem : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "file_system_test." + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    make_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
};

TEST_F(FileSystem, WritesAndReadsBackAnyBytes) {
  std::string bytes("a\0b\n\xff", 5);
  write_file(path("file"), bytes);
  EXPECT_EQ(read_file(path("file")), bytes);
  EXPECT_EQ(MappedFile(path("file")).bytes(), bytes);
  write_file(path("file"), "");
  EXPECT_EQ(read_file(path("file")), "");
  EXPECT_EQ(files(), 1u) << "a temporary file was left";
}

TEST_F(FileSystem, WritesPartsOneBehindTheOther) {
  write_file(path("file"), std::vector<std::string_view>{"one", "", "two"});
  EXPECT_EQ(read_file(path("file")), "onetwo");
  EXPECT_EQ(file_size(path("file")), 6u);
}

TEST_F(FileSystem, ReadsAPartOfAFile) {
  write_file(path("file"), "0123456789");
  std::string part(4, ' ');
  read_file_part(path("file"), 3, part);
  EXPECT_EQ(part, "3456");
  EXPECT_THAT([&] { read_file_part(path("file"), 7, part); },
              ThrowsMessage<UserError>(HasSubstr("ends at byte 10, 1 bytes too early")));
  EXPECT_THROW(read_file_part(path("absent"), 0, part), UserError);
  EXPECT_THROW(file_size(path("absent")), UserError);
  EXPECT_THROW(file_size(folder_), UserError);
}

TEST_F(FileSystem, RemovesADirectoryWithAllThatIsInIt) {
  make_directories(path("a/b"));
  write_file(path("a/b/file"), "x");
  remove_directory(path("a"));
  EXPECT_EQ(files(), 0u);
  EXPECT_NO_THROW(remove_directory(path("a"))) << "what is absent is removed";
}

TEST_F(FileSystem, SeveralMayRemoveADirectoryAtOnce) {
  constexpr int times = 100, files = 20;
  for (int time = 0; time < times; ++time) {
    make_directories(path("both/below"));
    for (int file = 0; file < files; ++file) {
      std::ofstream(path("both/below/" + std::to_string(file))) << "content";
      std::ofstream(path("both/" + std::to_string(file))) << "content";
    }
    auto other = std::async(std::launch::async, [&] { remove_directory(path("both")); });
    EXPECT_NO_THROW(remove_directory(path("both")));
    EXPECT_NO_THROW(other.get());
    EXPECT_FALSE(path_exists(path("both")));
  }
}

TEST_F(FileSystem, ReplacingLeavesAReaderItsOldContent) {
  write_file(path("file"), "old content");
  MappedFile old(path("file"));
  write_file(path("file"), "new");
  EXPECT_EQ(old.bytes(), "old content");
  EXPECT_EQ(read_file(path("file")), "new");
}

TEST_F(FileSystem, CommitTurnsTheTemporaryIntoTheFile) {
  std::string temporary = temporary_name(path("file"));
  EXPECT_EQ(std::filesystem::path(temporary).parent_path(),
            std::filesystem::path(path("file")).parent_path());
  write_file(temporary, "prepared");
  EXPECT_FALSE(std::filesystem::exists(path("file")));
  commit_file(temporary, path("file"));
  EXPECT_EQ(read_file(path("file")), "prepared");
  EXPECT_FALSE(std::filesystem::exists(temporary));
}

TEST_F(FileSystem, ErrorsNameThePathAndTheReason) {
  EXPECT_THAT([&] { read_file(path("absent")); },
              ThrowsMessage<UserError>(testing::AllOf(HasSubstr(path("absent")), HasSubstr("No such file"))));
  EXPECT_THAT([&] { write_file(path("absent/file"), ""); },
              ThrowsMessage<UserError>(HasSubstr("No such file")));
  EXPECT_THAT([&] { read_file(folder_); }, ThrowsMessage<UserError>(HasSubstr("not a regular file")));
  write_file(path("file"), "");
  EXPECT_THAT([&] { make_directories(path("file/below")); },
              ThrowsMessage<UserError>(HasSubstr(path("file/below"))));
}

TEST_F(FileSystem, AFullDiskIsNoMistakeOfOneFile) {
  EXPECT_THAT([] { write_file("/dev/full", "content"); },
              ThrowsMessage<StorageError>("cannot write /dev/full: No space left on device"));
  try {
    read_file(path("absent"));
  } catch (const UserError& error) {
    EXPECT_EQ(dynamic_cast<const StorageError*>(&error), nullptr) << error.what();
  }
  EXPECT_THROW(throw_system_error("cannot write x", EROFS), StorageError);
}

TEST_F(FileSystem, RoomIsWhatTheDiskHasLeft) {
  write_file(path("file"), "");
  EXPECT_NO_THROW(require_room(path("file"), 1));
  EXPECT_THAT([&] { require_room(path("file"), uint64_t{1} << 60); },
              ThrowsMessage<StorageError>("cannot write " + path("file") + ": No space left on device"));
}

TEST_F(FileSystem, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  // If the target is a directory, the last step, the rename, fails.
  make_directories(path("target/below"));
  EXPECT_THROW(write_file(path("target"), "new"), UserError);
  EXPECT_TRUE(std::filesystem::is_directory(path("target/below")));
  EXPECT_EQ(files(), 1u) << "a temporary file was left";
}

TEST_F(FileSystem, AWriterReplacesAtItsEnd) {
  write_file(path("file"), "old");
  {
    FileWriter writer(path("file"));
    writer.write("half of");
    EXPECT_EQ(files(), 2u);
    EXPECT_THAT([&] { writer.require_room(uint64_t{1} << 60); },
                ThrowsMessage<StorageError>(HasSubstr("No space left on device")));
  }
  EXPECT_EQ(files(), 1u) << "an unfinished file was left";
  EXPECT_EQ(read_file(path("file")), "old");
  FileWriter writer(path("file"));
  for (const char* piece : {"new ", "", "content"}) writer.write(piece);
  EXPECT_EQ(read_file(path("file")), "old");
  writer.finish();
  EXPECT_EQ(read_file(path("file")), "new content");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileSystem, MovedMapStaysValid) {
  write_file(path("file"), "content");
  MappedFile first(path("file"));
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes(), "content");
  EXPECT_EQ(second.path(), path("file"));
}

TEST_F(FileSystem, WritesThroughWhatIsNoFile) {
  write_file(path("target"), "a long old content");
  std::filesystem::create_symlink("target", path("link"));
  write_file(path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("target")), "new");
  std::filesystem::create_symlink("made", path("dangling"));
  write_file(path("dangling"), "there");
  EXPECT_EQ(read_file(path("made")), "there");
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::future<std::string> read = std::async(std::launch::async, [&] { return read_file(path("pipe")); });
  write_file(path("pipe"), "through");
  EXPECT_EQ(read.get(), "through");
  EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
  EXPECT_FALSE(is_regular_file(path("pipe")));
  EXPECT_TRUE(is_regular_file(path("link")));
  EXPECT_EQ(files(), 5u) << "a temporary file was left";
  EXPECT_THAT([] { write_file("/dev/full", "x"); }, ThrowsMessage<UserError>(HasSubstr("No space left")));
}

TEST_F(FileSystem, AStreamHasAnEnd) {
  EXPECT_EQ(read_file("/dev/null"), "");
  EXPECT_THAT([] { read_file("/dev/zero"); }, ThrowsMessage<UserError>(HasSubstr("more than 64 MiB")));
}

TEST_F(FileSystem, ALinkThatLeadsNowhereIsNamed) {
  std::filesystem::create_symlink("nowhere", path("dangling"));
  EXPECT_THAT([&] { make_directories(path("dangling")); },
              ThrowsMessage<UserError>(HasSubstr("it is a link to nowhere, which does not exist")));
  EXPECT_THAT([&] { make_directories(path("dangling/runs")); },
              ThrowsMessage<UserError>(HasSubstr(path("dangling") + " is a link to nowhere")));
}

}  // namespace
}  // namespace apportion
