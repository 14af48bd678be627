// A folder of a test's own, gone with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace patchserve {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::path(testing::TempDir()) / "patchserve_XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // The folder, or what is called `name` in it.
  std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ / name;
  }

  // Writes the file, with its parent folders; returns its path.
  std::string Write(const std::string& name, const std::string& contents = "") const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream file(path_ / name, std::ios::binary);
    EXPECT_TRUE(file << contents << std::flush) << path(name);
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

}  // namespace patchserve
