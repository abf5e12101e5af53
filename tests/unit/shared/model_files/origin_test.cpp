// A model's name on the hub and its licence, and files that do not state them.
#include "shared/model_files/origin.h"

#include <gtest/gtest.h>

#include <map>

#include "shared/model_files/gguf.h"
#include "tests/support/dataset_folder.h"
#include "tests/support/tiny_gguf.h"

namespace apportion {
namespace {

std::string name_of(const std::map<std::string, std::string>& keys) {
  testing::DatasetFolder folder;
  GgufWriter writer;
  for (const auto& [key, value] : keys) writer.text(key, value);
  return hub_name(Gguf(folder.write("m.gguf", writer.bytes())));
}

TEST(HubName, IsTheSources) {
  EXPECT_EQ(name_of({{"general.source.url", "https://huggingface.co/org/Model-1B"}}), "org/Model-1B");
  EXPECT_EQ(name_of({{"general.source.repo_url", "https://hf.co/org/m_2.0/tree/main"}}), "org/m_2.0");
  EXPECT_EQ(name_of({{"general.source.huggingface.repository", "org/m"}}), "org/m");
  EXPECT_EQ(name_of({{"general.name", "org/m"}}), "org/m");
  EXPECT_EQ(name_of({{"general.source.url", "https://example.org/org/m"}}), "");
}

TEST(HubName, IsTheBasesOfAPackedCopyAlone) {
  const char* url = "general.base_model.0.repo_url";
  EXPECT_EQ(
      name_of({{url, "https://huggingface.co/org/Model-1B-Instruct"}, {"general.name", "Model 1B Instruct"}}),
      "org/Model-1B-Instruct");
  EXPECT_EQ(name_of({{url, "https://huggingface.co/org/Model-1B"}, {"general.name", "Model 1B Instruct"}}),
            "");
}

TEST(HubName, KnowsTheModelThatComesWithTheProgram) {
  EXPECT_EQ(name_of({{"general.organization", "HuggingFaceTB"},
                     {"general.name", "Smollm2 135M 8k Lc100K Mix1 Ep2"}}),
            "HuggingFaceTB/SmolLM2-135M-Instruct");
  EXPECT_EQ(name_of({{"general.name", "Smollm2 135M 8k Lc100K Mix1 Ep2"}}), "");
  EXPECT_EQ(name_of({}), "");
}

TEST(HubName, OfWhatNobodyWouldCallAModelIsNone) {
  std::string name(1'000'000, 'a'), url = "https://hf.co/a/";
  url += name;
  name += "/m";
  EXPECT_EQ(name_of({{"general.name", name}}), "");
  EXPECT_EQ(name_of({{"general.source.url", url}}), "");
  EXPECT_EQ(name_of({{"general.name", "../.."}}), "");
}

TEST(License, IsWhatAGgufFileSays) {
  auto license = [](const std::string& key, const std::string& value) {
    testing::DatasetFolder folder;
    GgufWriter writer;
    writer.text(key, value);
    return license_of(Gguf(folder.write("m.gguf", writer.bytes())));
  };
  EXPECT_EQ(license("general.license", "apache-2.0"), "apache-2.0");
  EXPECT_EQ(license("general.license", "free, but\nbase_model: x"), "");
  EXPECT_EQ(license("general.name", "apache-2.0"), "");
}

TEST(License, IsWhatACardsFrontMatterSays) {
  EXPECT_EQ(license_of_card("---\nlanguage: en\nlicense: apache-2.0\n---\n"), "apache-2.0");
  EXPECT_EQ(license_of_card("---\r\nlicense: \"mit\"  # all of it\r\n---\r\n"), "mit");
  EXPECT_EQ(license_of_card("---\nname: x\n---\nlicense: mit\n"), "");
  EXPECT_EQ(license_of_card("# A model\nlicense: mit\n"), "");
  EXPECT_EQ(license_of_card("---\nlicense:\n- mit\n---\n"), "");
  EXPECT_EQ(license_of_card("---\nlicense: see our page\n---\n"), "");
  EXPECT_EQ(license_of_card("---\nlicense_name: mit\n"), "");
  EXPECT_EQ(license_of_card(""), "");
}

}  // namespace
}  // namespace apportion
