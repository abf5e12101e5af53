// The interface to HDF5: values, texts, links, and errors for what is missing or of another type.
#include "shared/store/hdf5_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "shared/base/error.h"
#include "tests/support/sample_results.h"

namespace apportion {
namespace {

class Hdf5File : public testing::Test {
 protected:
  Hdf5File() : path_(directory_.path() + "/file.h5") {}
  TemporaryDirectory directory_;
  std::string path_;
};

TEST_F(Hdf5File, EveryTypeComesBack) {
  {
    Hdf5Writer writer(path_);
    writer.dataset("/a/doubles", Hdf5Array<double>{{2, 2}, {0.5, -1, 1e300, 0}});
    writer.dataset("/a/ints", Hdf5Array<int32_t>{{3}, {-1, 0, 7}});
    writer.dataset("/a/counts", Hdf5Array<uint64_t>{{1}, {UINT64_MAX}});
    writer.dataset("/bytes", Hdf5Array<uint8_t>{{2}, {0, 255}});
    writer.dataset("/texts", Hdf5Array<std::string>{{3}, {"", "snow \u2603", "z"}});
    writer.dataset("/empty", Hdf5Array<double>{{0}, {}});
    writer.commit();
  }
  Hdf5Reader reader(path_);
  EXPECT_EQ(reader.dataset<double>("/a/doubles").values, (std::vector<double>{0.5, -1, 1e300, 0}));
  EXPECT_EQ(reader.dataset<double>("/a/doubles").shape, (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(reader.dataset<int32_t>("/a/ints").values, (std::vector<int32_t>{-1, 0, 7}));
  EXPECT_EQ(reader.dataset<uint64_t>("/a/counts").values, (std::vector<uint64_t>{UINT64_MAX}));
  EXPECT_EQ(reader.dataset<uint8_t>("/bytes").values, (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(reader.dataset<std::string>("/texts").values, (std::vector<std::string>{"", "snow \u2603", "z"}));
  EXPECT_EQ(reader.dataset<double>("/empty").shape, (std::vector<uint64_t>{0}));
}

TEST_F(Hdf5File, AnotherFileIsCopiedWholeAsAGroup) {
  const std::string source = directory_.path() + "/source.h5";
  const std::string bytes("a\0b", 3);
  {
    Hdf5Writer writer(source);
    writer.attribute("/", "name", "source");
    writer.dataset("/a/texts", Hdf5Array<std::string>{{2}, {"", "snow \u2603"}});
    writer.group("/many");
    for (int i = 40; i > 0; --i) writer.attribute("/many", "key" + std::to_string(i), std::to_string(i));
    writer.attribute("/", "version", int64_t{-3});
    writer.bytes("/bytes", bytes);
    writer.attribute("/bytes", "name", "three");
    writer.bytes("/none", "");
    writer.commit();
  }
  const auto many = Hdf5Reader(source).texts("/many");
  {
    Hdf5Writer writer(path_);
    writer.copy(Hdf5Reader(source), "/copies/one");
    EXPECT_THROW(writer.copy(Hdf5Reader(source), "/copies/one"), UserError) << "it is there";
    writer.commit();
  }
  std::filesystem::remove(source);
  const Hdf5Reader reader(path_);
  EXPECT_EQ(reader.text("/copies/one", "name"), "source");
  EXPECT_EQ(reader.integer("/copies/one", "version"), -3);
  EXPECT_EQ(reader.text("/copies/one/bytes", "name"), "three");
  ASSERT_EQ(many.size(), 40u);
  EXPECT_EQ(reader.texts("/copies/one/many"), many);
  EXPECT_EQ(reader.dataset<std::string>("/copies/one/a/texts").values[1], "snow \u2603");
  EXPECT_EQ(reader.dataset<uint8_t>("/copies/one/bytes").values, (std::vector<uint8_t>{'a', 0, 'b'}));
  EXPECT_TRUE(reader.dataset<uint8_t>("/copies/one/none").values.empty());
  EXPECT_THROW(reader.text("/", "name"), DataError);
}

TEST_F(Hdf5File, WhatLeadsOutOfAFileIsNotCopied) {
  const std::string source = directory_.path() + "/source.h5";
  {
    Hdf5Writer writer(source);
    writer.external_link("/a", "other.h5", "/");
    writer.commit();
  }
  Hdf5Writer writer(path_);
  EXPECT_THROW(writer.copy(Hdf5Reader(source), "/copy"), DataError);
}

TEST_F(Hdf5File, AttributesKeepTheirOrder) {
  {
    Hdf5Writer writer(path_);
    writer.group("/config");
    for (int i = 40; i > 0; --i) writer.attribute("/config", "key" + std::to_string(i), std::to_string(i));
    writer.attribute("/", "version", int64_t{-3});
    writer.attribute("/", "empty", "");
    writer.commit();
  }
  Hdf5Reader reader(path_);
  auto texts = reader.texts("/config");
  ASSERT_EQ(texts.size(), 40u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(texts[static_cast<size_t>(i)].first, "key" + std::to_string(40 - i));
  EXPECT_EQ(reader.integer("/", "version"), -3);
  EXPECT_EQ(reader.text("/", "empty"), "");
}

TEST_F(Hdf5File, RefusesWhatIsNotThereOrOfAnotherType) {
  {
    Hdf5Writer writer(path_);
    writer.dataset("/values", Hdf5Array<int32_t>{{1}, {1}});
    writer.attribute("/", "name", "text");
    writer.commit();
  }
  Hdf5Reader reader(path_);
  EXPECT_THROW(reader.dataset<double>("/values"), DataError);
  EXPECT_THROW(reader.dataset<std::string>("/values"), DataError);
  EXPECT_THROW(reader.dataset<double>("/nothing"), DataError);
  EXPECT_THROW(reader.dataset<double>("/values/below"), DataError);
  EXPECT_THROW(reader.integer("/", "name"), DataError);
  EXPECT_THROW(reader.text("/", "nothing"), DataError);
  EXPECT_THROW(reader.links("/nothing"), DataError);
}

TEST_F(Hdf5File, DoesNotFollowLinks) {
  {
    Hdf5Writer writer(path_);
    writer.dataset("/values", Hdf5Array<int32_t>{{1}, {1}});
    writer.soft_link("/group/soft", "/values");
    writer.external_link("/group/outside", "other.h5", "/");
    writer.commit();
  }
  Hdf5Reader reader(path_);
  EXPECT_THROW(reader.dataset<int32_t>("/group/soft"), DataError);
  EXPECT_THROW(reader.dataset<int32_t>("/group/outside/values"), DataError);
  EXPECT_EQ(reader.soft_target("/group/soft"), "/values");
  EXPECT_EQ(reader.soft_target("/values"), std::nullopt);
  EXPECT_EQ(reader.links("/group"), (std::vector<std::string>{"outside", "soft"}));
}

TEST_F(Hdf5File, NothingAppearsWithoutCommit) {
  { Hdf5Writer writer(path_); }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  EXPECT_THROW(Hdf5Writer(directory_.path() + "/no/such/folder/file.h5"), UserError);
}

/// While one exists, this process's files may have at most this many bytes.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~SmallFiles() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(Hdf5File, WhatTheSystemRefusesIsItsReasonAndNothingIsLeft) {
  // The system refuses the first byte, a dataset, or what is written at the end.
  for (const rlim_t bytes : {0, 1000, 100'000}) {
    const SmallFiles files(bytes);
    try {
      Hdf5Writer writer(path_);
      writer.dataset("/a", Hdf5Array<double>{{100'000}, std::vector<double>(100'000, 0.5)});
      writer.commit();
      ADD_FAILURE() << bytes;
    } catch (const UserError& error) {
      EXPECT_EQ(error.what(), "cannot write " + path_ + ": File too large") << bytes;
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path())) << bytes;
  }
}

TEST_F(Hdf5File, MissingFileIsTheUsersError) { EXPECT_THROW(Hdf5Reader{path_}, UserError); }

}  // namespace
}  // namespace apportion
