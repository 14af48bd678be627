// The log: one line an event on stderr, as text or as JSON, gRPC's and LibTorch's lines among them.
#pragma once

#include <string>

#include "server/rpc/access_log.h"

namespace patchserve {

// "text":  2026-11-24T12:00:00.000+00:00 info serving
// "json":  {"time": "...", "level": "info", "logger": "patchserve", "message": "serving"}
//
// `logger` says whose line it is: patchserve, grpc, torch or access. Call it before any other
// thread starts. `format` and `level` are those of the flags; gRPC speaks of errors only, unless
// its own GRPC_VERBOSITY is set, at most ten lines a second, and bytes of clients in them are
// escaped.
void SetUpLog(const std::string& format, const std::string& level);

// Of `logger` torch: a warning of LibTorch's.
void LogTorch(const std::string& text);

// Of `logger` access: in text as model=vit code=OK total_ms=1.5 ..., in JSON as fields of the
// object.
void LogAccess(const AccessEntry& entry);

}  // namespace patchserve
