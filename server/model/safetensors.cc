#include "server/model/safetensors.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "server/base/status.h"
#include "server/model/json.h"

namespace patchserve {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMaxDimensions = 8;

int64_t BytesPerElement(std::string_view dtype) {
  static const std::map<std::string_view, int64_t> kBytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  const auto found = kBytes.find(dtype);
  return found == kBytes.end() ? 0 : found->second;
}

uint64_t LittleEndian64(std::string_view bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

absl::StatusOr<std::string_view> HeaderOf(std::string_view file) {
  if (file.size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.size(), " bytes, too short for a safetensors file"));
  }
  const uint64_t length = LittleEndian64(file);
  if (length > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("header of ", length, " bytes, more than ", kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat("header of ", length, " bytes in a file of ",
                                                   file.size(), " bytes: truncated?"));
  }
  return file.substr(kLengthBytes, length);
}

// The numbers of a JSON array, each at least 0.
absl::StatusOr<std::vector<int64_t>> Sizes(const JsonFields& fields, const std::string& key,
                                           size_t max_count) {
  const std::string expected = absl::StrCat("at most ", max_count, " sizes from 0 to 2^63 - 1");
  const nlohmann::json* array = fields.Find(key);
  if (array == nullptr) return absl::InvalidArgumentError(absl::StrCat(key, " is missing"));
  if (!array->is_array() || array->size() > max_count) return fields.Unexpected(key, expected);
  std::vector<int64_t> sizes;
  for (const nlohmann::json& size : *array) {
    if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX) {
      return fields.Unexpected(key, expected);
    }
    sizes.push_back(size.get<int64_t>());
  }
  return sizes;
}

absl::StatusOr<int64_t> ByteSize(const TensorView& tensor) {
  int64_t size = BytesPerElement(tensor.dtype);
  if (size == 0) {
    return absl::InvalidArgumentError(absl::StrCat("dtype ", tensor.dtype, " is not known"));
  }
  for (int64_t side : tensor.shape) {
    if (__builtin_mul_overflow(size, side, &size)) {
      return absl::InvalidArgumentError("its shape holds more than 2^63 bytes");
    }
  }
  return size;
}

absl::StatusOr<TensorView> ParseTensor(const std::string& name, const JsonFields& fields,
                                       std::string_view data) {
  TensorView tensor{.name = name};
  ASSIGN_OR_RETURN(const auto dtype, fields.String("dtype"));
  tensor.dtype = dtype.value_or("(none)");
  ASSIGN_OR_RETURN(tensor.shape, Sizes(fields, "shape", kMaxDimensions));
  ASSIGN_OR_RETURN(const int64_t size, ByteSize(tensor));
  ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, Sizes(fields, "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return fields.Unexpected("data_offsets", "[begin, end]");
  }
  if (offsets[1] > static_cast<int64_t>(data.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data_offsets end at ", offsets[1], ", the file's data at ", data.size(), ": truncated?"));
  }
  if (offsets[1] - offsets[0] != size) {
    return absl::InvalidArgumentError(absl::StrCat("data_offsets span ", offsets[1] - offsets[0],
                                                   " bytes, its shape and dtype need ", size));
  }
  tensor.bytes = {reinterpret_cast<const uint8_t*>(data.data()) + offsets[0],
                  static_cast<size_t>(size)};
  return tensor;
}

absl::Status CheckNoGapsOrOverlaps(const std::vector<TensorView>& tensors, std::string_view data) {
  const auto* const start = reinterpret_cast<const uint8_t*>(data.data());
  int64_t end = 0;
  for (const TensorView& tensor : tensors) {
    const int64_t begin = tensor.bytes.data() - start;
    if (begin != end) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " begins at ", begin,
                                                     ", ",
                                                     begin < end ? "inside of" : "with a gap after",
                                                     " the tensor before it, which ends at ", end));
    }
    end = begin + tensor.bytes.size();
  }
  if (end != static_cast<int64_t>(data.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensors end at ", end, ", the file's data at ", data.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<TensorView>> ParseSafetensors(std::string_view file) {
  ASSIGN_OR_RETURN(const std::string_view header, HeaderOf(file));
  const auto json = ParseJsonObject(header);
  if (!json.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("header: ", json.status().message()));
  }
  const std::string_view data = file.substr(kLengthBytes + header.size());

  std::vector<TensorView> tensors;
  for (const auto& [name, entry] : json->items()) {
    if (name == "__metadata__") continue;
    if (!entry.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", name, ": not an object"));
    }
    auto tensor = ParseTensor(name, JsonFields(entry, ""), data);
    if (!tensor.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, ": ", tensor.status().message()));
    }
    tensors.push_back(*std::move(tensor));
  }
  // By end as well, so that an empty tensor comes before the one that begins where it lies.
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    return std::pair(a.bytes.begin(), a.bytes.end()) < std::pair(b.bytes.begin(), b.bytes.end());
  });
  RETURN_IF_ERROR(CheckNoGapsOrOverlaps(tensors, data));
  return tensors;
}

}  // namespace patchserve
