// What the RPCs stand on.
#pragma once

#include "server/pipeline/classifier.h"
#include "server/pipeline/model_registry.h"
#include "server/rpc/access_log.h"
#include "server/rpc/open_calls.h"

namespace patchserve {

// All must outlive the server that the RPCs are registered with, and so must this.
struct Services {
  Classifier& classifier;
  const ModelRegistry& registry;
  OpenCalls& open_calls;
  AccessLog& access_log;
  int stream_window;  // the most unanswered requests of one stream
};

}  // namespace patchserve
