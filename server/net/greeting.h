// What a client says first.
#pragma once

#include <string>

namespace patchserve {

// HTTP/2 without TLS: a server answers with its settings.
std::string Http2Greeting();
// TLS, HTTP/2 within: a server answers with its hello.
std::string TlsGreeting();

}  // namespace patchserve
