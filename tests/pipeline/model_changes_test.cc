#include "server/pipeline/model_changes.h"

#include <gmock/gmock.h>
#include <pthread.h>

#include <algorithm>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "tests/eventually.h"
#include "tests/pipeline/fake_model.h"

namespace patchserve {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelChangesTest : public ::testing::Test {
 protected:
  // How a call ended.
  struct Ended {
    std::latch latch{1};
    absl::Status status;

    ModelChanges::Done Done() {
      return [this](const absl::Status& s) {
        status = s;
        latch.count_down();
      };
    }
    absl::StatusCode Code() {
      latch.wait();
      return status.code();
    }
  };

  absl::StatusCode Load(const std::string& name) {
    Ended ended;
    changes.Load(name, ended.Done());
    return ended.Code();
  }
  absl::StatusCode Unload(const std::string& name) {
    Ended ended;
    changes.Unload(name, ended.Done());
    return ended.Code();
  }

  FakeModel fake;
  ModelRegistry registry{{"a", "b"}, "a"};
  std::vector<std::string> changed;
  // What loading is; a test may replace it.
  std::function<absl::StatusOr<std::shared_ptr<const ServedModel>>(const std::string& name)> load =
      [this](const std::string& name) { return fake.Served(name); };
  std::vector<ModelChanges::Reason> reasons;
  ModelChanges changes{registry,
                       [this](const std::string& name, ModelChanges::Reason reason) {
                         reasons.push_back(reason);
                         return load(name);
                       },
                       [this](const std::string& name) { changed.push_back(name); }};
};

// What is fetched from a hub at start may not be what is fetched for whoever asks meanwhile.
TEST_F(ModelChangesTest, LoadingKnowsWhetherTheStartOrARequestWantsIt) {
  EXPECT_TRUE(changes.LoadNow("a").ok());
  EXPECT_EQ(Load("b"), absl::StatusCode::kOk);
  EXPECT_THAT(reasons,
              testing::ElementsAre(ModelChanges::Reason::kStart, ModelChanges::Reason::kRequest));
}

TEST_F(ModelChangesTest, AModelIsLoadedReplacedAndUnloaded) {
  EXPECT_TRUE(changes.LoadNow("a").ok());
  const auto first = registry.Find("a").value();
  EXPECT_EQ(Load("a"), absl::StatusCode::kOk);
  EXPECT_NE(registry.Find("a").value(), first);
  EXPECT_EQ(Unload("a"), absl::StatusCode::kOk);
  EXPECT_EQ(registry.Get("a")->state, ModelState::kUnloaded);
  EXPECT_THAT(changed, ElementsAre("a", "a", "a"));
}

TEST_F(ModelChangesTest, WhatCannotBeLoadedLeavesTheModelThatServes) {
  EXPECT_TRUE(changes.LoadNow("a").ok());
  const auto first = registry.Find("a").value();
  load = [](const std::string&) { return absl::InvalidArgumentError("no such tensor"); };
  const absl::Status status = changes.LoadNow("a");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "model a can't be served: no such tensor");
  EXPECT_EQ(Load("a"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry.Find("a").value(), first);
}

TEST_F(ModelChangesTest, OnlyNamesOfTheRegistryCanBeChanged) {
  for (const char* name : {"", "c", "a.pixels", "../a"}) {
    EXPECT_EQ(Load(name), absl::StatusCode::kNotFound) << name;
    EXPECT_EQ(Unload(name), absl::StatusCode::kNotFound) << name;
  }
  EXPECT_TRUE(changed.empty());
}

TEST_F(ModelChangesTest, ChangesAreMadeOneAtATime) {
  std::atomic<int> inside = 0, most = 0;
  load = [&](const std::string& name) {
    most = std::max<int>(most, ++inside);
    auto model = fake.Served(name);
    --inside;
    return model;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) i % 2 ? changes.LoadNow("a").code() : Load("b");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

std::string ThreadName() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof(name));
  return name;
}

TEST_F(ModelChangesTest, AReplacedModelIsFreedByTheThreadOfChanges) {
  std::latch freed(1);
  std::string by;
  load = [&](const std::string& name) {
    auto model = fake.Served(name);
    // Stands for the weights.
    model->forward = [weights = std::shared_ptr<int>(new int, [&](int* weights) {
                        delete weights;
                        by = ThreadName();
                        freed.count_down();
                      })](absl::Span<const ModelInput>, int, bool) { return BatchOutput(); };
    return model;
  };
  ASSERT_EQ(Load("a"), absl::StatusCode::kOk);
  load = [this](const std::string& name) { return fake.Served(name); };
  ASSERT_TRUE(changes.LoadNow("a").ok());  // the last one to hold it is this thread
  freed.wait();
  EXPECT_EQ(by, "changes-0");
}

// The thread is busy with a load of "a" until Release.
class BusyModelChangesTest : public ModelChangesTest {
 protected:
  void SetUp() override {
    load = [this](const std::string& name) {
      busy.count_down();
      go_on.wait();
      return fake.Served(name);
    };
    changes.Load("a", first.Done());
    busy.wait();
  }

  std::latch busy{1}, go_on{1};
  Ended first;
};

TEST_F(BusyModelChangesTest, TooManyAreRefused) {
  std::vector<absl::StatusCode> codes;  // of those that were refused at once, by this thread
  for (int i = 0; i < 17; ++i) {
    changes.Unload("b", [&, here = std::this_thread::get_id()](const absl::Status& status) {
      if (std::this_thread::get_id() == here) codes.push_back(status.code());
    });
  }
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kResourceExhausted));
  go_on.count_down();
  EXPECT_EQ(first.Code(), absl::StatusCode::kOk);
  changes.Stop();
}

TEST_F(BusyModelChangesTest, AChangeWhoseCallerGaveUpDoesNotBegin) {
  Ended second;
  Cancellation caller;
  changes.Load("b", second.Done(), &caller);
  caller.Request();
  go_on.count_down();
  EXPECT_EQ(second.Code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(changed, ElementsAre("a"));
}

TEST_F(BusyModelChangesTest, AChangeThatHasBegunIsMadeThoughItsCallerGaveUp) {
  go_on.count_down();
  first.Code();
  Cancellation caller;
  load = [&](const std::string& name) {
    caller.Request();
    return fake.Served(name);
  };
  Ended second;
  changes.Load("b", second.Done(), &caller);
  EXPECT_EQ(second.Code(), absl::StatusCode::kOk);
  EXPECT_TRUE(registry.Find("b").ok());
}

TEST_F(BusyModelChangesTest, StopEndsTheChangeUnderWayAndRefusesTheOthers) {
  Ended second;
  changes.Load("b", second.Done());
  std::thread stop([this] { changes.Stop(); });
  absl::Status refused;
  Eventually("changes are refused", [&] {
    changes.Load("c", [&](const absl::Status& status) { refused = status; });
    return absl::IsUnavailable(refused);
  });
  go_on.count_down();
  stop.join();
  EXPECT_EQ(first.Code(), absl::StatusCode::kOk);
  EXPECT_EQ(second.Code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace patchserve
