#include "server/pipeline/model_registry.h"

#include <gmock/gmock.h>

#include "tests/pipeline/fake_model.h"

namespace patchserve {
namespace {

using ::testing::HasSubstr;

TEST(ModelRegistryTest, AModelIsLoadingUntilItIsReady) {
  FakeModel fake;
  ModelRegistry registry({"a"}, "a");
  EXPECT_EQ(registry.Get("a")->state, ModelState::kLoading);
  registry.SetReady(fake.Served("a"));
  EXPECT_EQ(registry.Get("a")->state, ModelState::kReady);
  EXPECT_EQ((*registry.Find("a"))->name, "a");
}

TEST(ModelRegistryTest, TheEmptyNameIsTheDefaultModel) {
  FakeModel fake;
  ModelRegistry registry({"a", "b"}, "b");
  registry.SetReady(fake.Served("b"));
  EXPECT_EQ((*registry.Find(""))->name, "b");
}

TEST(ModelRegistryTest, AFailedModelSaysWhy) {
  ModelRegistry registry({"a"}, "a");
  registry.SetFailed("a", absl::InvalidArgumentError("no such tensor"));
  EXPECT_EQ(registry.Get("a")->state, ModelState::kFailed);
  EXPECT_EQ(registry.Find("a").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(registry.Find("a").status().message()), HasSubstr("no such tensor"));
}

TEST(ModelRegistryTest, ALoadingModelSaysHowFarItIs) {
  FakeModel fake;
  ModelRegistry registry({"a"}, "a");
  registry.SetProgress("a", "fetching: 50 %");
  EXPECT_EQ(registry.Get("a")->state_message, "fetching: 50 %");
  EXPECT_THAT(std::string(registry.Find("a").status().message()), HasSubstr("fetching: 50 %"));
  registry.SetReady(fake.Served("a"));
  registry.SetProgress("a", "fetching the next");
  EXPECT_EQ(registry.Get("a")->state_message, "");
}

TEST(ModelRegistryTest, ModelsAreListedByName) {
  ModelRegistry registry({"b", "a"}, "b");
  const auto list = registry.List();
  ASSERT_EQ(list.size(), 2);
  EXPECT_EQ(list[0].name, "a");
  EXPECT_EQ(list[1].name, "b");
}

TEST(ModelRegistryTest, AReplacedModelIsGoneWhenNobodyHoldsIt) {
  FakeModel fake;
  ModelRegistry registry({"a"}, "a");
  registry.SetReady(fake.Served("a"));
  std::shared_ptr<const ServedModel> held = registry.Find("a").value();
  const std::weak_ptr<const ServedModel> old = held;
  registry.SetReady(fake.Served("a"));
  EXPECT_NE(registry.Find("a").value(), held);
  held = nullptr;
  EXPECT_TRUE(old.expired());
}

TEST(ModelRegistryTest, AModelThatServesStaysWhenTheNextOneFails) {
  FakeModel fake;
  ModelRegistry registry({"a"}, "a");
  registry.SetReady(fake.Served("a"));
  registry.SetFailed("a", absl::InvalidArgumentError("no such tensor"));
  EXPECT_EQ(registry.Get("a")->state, ModelState::kReady);
  EXPECT_TRUE(registry.Find("a").ok());
}

TEST(ModelRegistryTest, AnUnloadedModelIsUnavailableUntilItIsReadyAgain) {
  FakeModel fake;
  ModelRegistry registry({"a"}, "a");
  registry.SetReady(fake.Served("a"));
  registry.SetUnloaded("a");
  EXPECT_EQ(registry.Find("a").status().code(), absl::StatusCode::kUnavailable);
  registry.SetFailed("a", absl::InvalidArgumentError("no such tensor"));
  EXPECT_EQ(registry.Get("a")->state, ModelState::kUnloaded);
  EXPECT_EQ(registry.Get("a")->state_message, "no such tensor");
  registry.SetReady(fake.Served("a"));
  EXPECT_TRUE(registry.Find("a").ok());
}

}  // namespace
}  // namespace patchserve
