// The least HTTP client that a scrape needs.
#pragma once

#include <string>

namespace patchserve {

// The body of http://ADDRESS/PATH, "" if there is none. `address` is "127.0.0.1:PORT".
std::string HttpGet(const std::string& address, const std::string& path);

}  // namespace patchserve
