// Writes the safetensors format, for tests and benchmarks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace patchserve {

struct RawTensor {
  std::string dtype = "F32";
  std::vector<int64_t> shape;
  std::string bytes;
};

// A one-dimensional or other F32 tensor of these values.
RawTensor FloatTensor(std::vector<int64_t> shape, const std::vector<float>& values);

// A whole file: tensors in the order of their names.
std::string SafetensorsFile(const std::map<std::string, RawTensor>& tensors);

// A file with this header, correct or not, and these bytes after it.
std::string SafetensorsFile(const std::string& header, const std::string& data);

}  // namespace patchserve
