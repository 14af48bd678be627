#include "server/rpc/messages.h"

#include <gmock/gmock.h>

#include "server/rpc/status.h"

namespace patchserve {
namespace {

TEST(MessagesTest, AnUnsetCriticalityIsTheDefaultOne) {
  EXPECT_EQ(ReadRequest({})->criticality, Criticality::kDefault);
}

TEST(MessagesTest, WhateverAMessageHoldsIsCounted) {
  v1::ClassifyRequest message;
  message.set_id(std::string(10'000, 'x'));
  message.set_encoded("abc");
  EXPECT_GE(ReadRequest(message)->message_bytes, 10'003);
}

TEST(MessagesTest, AnUnsetTopKStaysUnsetAndZeroDoesNot) {
  v1::ClassifyRequest message;
  EXPECT_EQ(ReadRequest(message)->top_k, std::nullopt);
  message.set_top_k(0);
  EXPECT_EQ(ReadRequest(message)->top_k, 0);
}

TEST(MessagesTest, AFailedModelShowsItsStateAndReasonOnly) {
  const v1::Model model =
      WriteModel({.name = "a", .state = ModelState::kFailed, .state_message = "why"}, true, true);
  EXPECT_EQ(model.state(), v1::MODEL_STATE_FAILED);
  EXPECT_EQ(model.state_message(), "why");
  EXPECT_TRUE(model.is_default());
  EXPECT_EQ(model.classes_size(), 0);
}

TEST(StatusTest, EveryCodeIsGrpcsOfTheSameName) {
  EXPECT_EQ(ToGrpc(absl::ResourceExhaustedError("x")).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ToGrpc(absl::CancelledError("x")).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(ToGrpc(absl::UnavailableError("x")).error_message(), "x");
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace patchserve
