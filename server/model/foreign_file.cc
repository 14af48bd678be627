#include "server/model/foreign_file.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace patchserve {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view start;  // lower case where the format's may be either
  absl::string_view name;
};

// By their first bytes, after white space.
constexpr Kind kTexts[] = {
    {"<!doctype html", "an HTML page"},
    {"<html", "an HTML page"},
    {"<head", "an HTML page"},
    {"<?xml", "an XML document, perhaps an error message"},
    {"<error", "an XML document, perhaps an error message"},
};
constexpr Kind kBinaries[] = {
    {"PK\3\4"sv, "a zip archive, such as PyTorch's .pt and .bin: convert it to safetensors"},
    {"\x80\2"sv, "a Python pickle, such as PyTorch's older files: convert it to safetensors"},
    {"\x80\4"sv, "a Python pickle: convert it to safetensors"},
    {"\x89HDF"sv, "an HDF5 file, such as Keras writes"},
    {"GGUF"sv, "a GGUF file"},
    {"\x1f\x8b"sv, "packed by gzip"},
    {"\x28\xb5\x2f\xfd"sv, "packed by zstd"},
    {"\xff\xfe"sv, "UTF-16 text, not UTF-8"},
    {"\xfe\xff"sv, "UTF-16 text, not UTF-8"},
};

}  // namespace

std::string WhatItIsInstead(std::string_view file, std::string_view wanted,
                            std::string_view format) {
  const absl::string_view text(file.data(), file.size());
  const absl::string_view what(wanted.data(), wanted.size());
  if (absl::StartsWith(text, "version https://git-lfs.github.com/spec/")) {
    return absl::StrCat("is a Git LFS pointer, not ", what, " (git lfs pull)");
  }
  if (absl::StartsWith(text, "# xet version")) {
    return absl::StrCat("is a Git Xet pointer, not ", what, " (git xet pull)");
  }
  const auto other = [&](absl::string_view name) {
    return absl::StrCat("is no ", absl::string_view(format.data(), format.size()), " file (", name,
                        ")");
  };
  // Some pages begin with a mark of their encoding.
  const absl::string_view start =
      absl::StripLeadingAsciiWhitespace(absl::StripPrefix(text, "\xef\xbb\xbf"));
  for (const Kind& kind : kTexts) {
    if (absl::StartsWithIgnoreCase(start, {kind.start.data(), kind.start.size()}))
      return other(kind.name);
  }
  for (const Kind& kind : kBinaries) {
    if (file.starts_with(kind.start)) return other(kind.name);
  }
  return "";
}

}  // namespace patchserve
