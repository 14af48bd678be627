#include "server/model/engine.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tests/model/fake_kernels.h"
#include "tests/model/kept_warnings.h"
#include "tests/model/pixels.h"
#include "tests/model/random_checkpoint.h"
#include "tests/model/status_matchers.h"
#include "tests/temporary_folder.h"

namespace patchserve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pointwise;

const EngineOptions kFloat32OnCpu{.device = "cpu", .precision = Precision::kFloat32};

// A small folder, and its tensors to spoil.
class EngineTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Engine>> Load(const std::string& name,
                                               const EngineOptions& options = kFloat32OnCpu) {
    spec_ = NamedCheckpoint(name).value();
    if (tensors_.empty()) tensors_ = RandomTensors(spec_, 1);
    for (const std::string& tensor : removed_) tensors_.erase(tensor);
    folder_.Write("config.json", ConfigJson(spec_));
    folder_.Write("model.safetensors", SafetensorsFile(tensors_));
    return Engine::Load(folder_.path(), options);
  }

  // What three images answer one by one, and in one batch that is padded to `bucket`.
  std::pair<BatchOutput, BatchOutput> AloneAndTogether(const std::string& name,
                                                       const EngineOptions& options,
                                                       int bucket = 3) {
    tensors_.clear();
    const auto engine = Load(name, options).value();
    const size_t bytes = engine->description().preprocessing.bytes();
    const std::vector<uint8_t> images[] = {Pixels(0, bytes), Pixels(1, bytes), Pixels(2, bytes)};
    BatchOutput alone;
    for (const auto& image : images) {
      const BatchOutput one =
          engine->Forward({image.data()}, /*bucket=*/1, /*embeddings=*/true).value();
      alone.logits.insert(alone.logits.end(), one.logits.begin(), one.logits.end());
      alone.embeddings.insert(alone.embeddings.end(), one.embeddings.begin(), one.embeddings.end());
    }
    return {alone, engine
                       ->Forward({images[0].data(), images[1].data(), images[2].data()}, bucket,
                                 /*embeddings=*/true)
                       .value()};
  }

  auto Refused(const std::string& part) {
    return IsError(absl::StatusCode::kInvalidArgument,
                   AllOf(HasSubstr(folder_.path("model.safetensors")), HasSubstr(part)));
  }

  TemporaryFolder folder_;
  RandomCheckpoint spec_;
  std::map<std::string, RawTensor> tensors_;
  std::vector<std::string> removed_;
};

TEST_F(EngineTest, DescribesItself) {
  const auto engine = Load("vit_small_patch8_32");
  ASSERT_TRUE(engine.ok()) << engine.status();
  const ModelDescription& description = (*engine)->description();
  EXPECT_EQ(description.architecture, "vit_small_patch8_32");
  EXPECT_EQ(description.embedding_size, 48);
  EXPECT_EQ(description.classes.size(), 10);
  EXPECT_EQ(description.classes[9].label, "9");
  EXPECT_EQ(description.precision, "float32");
  EXPECT_EQ(description.device, "cpu");
  EXPECT_EQ(description.version.size(), 12);
}

TEST_F(EngineTest, ABatchAnswersWhatItsImagesAnswerAlone) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    const auto [alone, batch] = AloneAndTogether(name, kFloat32OnCpu);
    EXPECT_THAT(batch.logits, Pointwise(FloatNear(1e-5), alone.logits));
    EXPECT_THAT(batch.embeddings, Pointwise(FloatNear(1e-5), alone.embeddings));
  }
}

TEST_F(EngineTest, PaddingIsNotAnsweredAndChangesNoAnswer) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    const auto [alone, padded] = AloneAndTogether(name, kFloat32OnCpu, /*bucket=*/8);
    EXPECT_THAT(padded.logits, Pointwise(FloatNear(1e-5), alone.logits));
    EXPECT_THAT(padded.embeddings, Pointwise(FloatNear(1e-5), alone.embeddings));
  }
}

TEST_F(EngineTest, ABatchOfTensorsIsPaddedToo) {
  const auto engine = Load("convmixer_small");
  const Preprocessing& how = (*engine)->description().preprocessing;
  const std::vector<uint8_t> pixels = Pixels(0, how.bytes());
  const std::vector<float> tensor(how.bytes(), 0.5f);
  const auto lone = (*engine)->Forward({tensor.data()}, /*bucket=*/1, false);
  const auto padded = (*engine)->Forward({tensor.data()}, /*bucket=*/4, false);
  const auto mixed = (*engine)->Forward({pixels.data(), tensor.data()}, /*bucket=*/4, false);
  EXPECT_THAT(padded->logits, Pointwise(FloatNear(1e-5), lone->logits));
  EXPECT_EQ(mixed->logits.size(), 2 * 10);
}

TEST_F(EngineTest, DeterministicAnswersAreTheSameToTheLastBitInAnyBatch) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    EngineOptions options = kFloat32OnCpu;
    options.deterministic = true;
    const auto [alone, batch] = AloneAndTogether(name, options);
    EXPECT_EQ(batch.logits, alone.logits);
    EXPECT_EQ(batch.embeddings, alone.embeddings);
  }
}

TEST_F(EngineTest, TwoThreadsAnswerWhatOneDoesAndDeterministicallySoToTheLastBit) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    for (const bool deterministic : {false, true}) {
      tensors_.clear();
      EngineOptions options = kFloat32OnCpu;
      options.deterministic = deterministic;
      const auto engine = Load(name, options).value();
      const std::vector<uint8_t> image = Pixels(0, engine->description().preprocessing.bytes());
      std::vector<float> logits[2];
      for (int threads : {1, 2}) {
        UseIntraOpThreads(threads);
        logits[threads - 1] = engine->Forward({image.data()}, /*bucket=*/1, false).value().logits;
      }
      UseIntraOpThreads(1);
      EXPECT_THAT(logits[1], Pointwise(FloatNear(deterministic ? 0 : 1e-5), logits[0]));
    }
  }
}

// What normalising the pixels by hand gives: [3, H, W].
std::vector<float> Normalised(const std::vector<uint8_t>& pixels, const Preprocessing& how) {
  const size_t plane = size_t{1} * how.height * how.width;
  std::vector<float> tensor(3 * plane);
  for (size_t i = 0; i < tensor.size(); ++i) {
    const size_t colour = i / plane, at = i % plane;
    tensor[i] = (pixels[3 * at + colour] / 255.0f - how.mean[colour]) / how.std[colour];
  }
  return tensor;
}

TEST_F(EngineTest, ATensorAnswersAsThePixelsThatItWasMadeOf) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    tensors_.clear();
    const auto engine = Load(name);
    const Preprocessing& how = (*engine)->description().preprocessing;
    const std::vector<uint8_t> a = Pixels(0, how.bytes()), b = Pixels(1, how.bytes());
    const std::vector<float> tensor_a = Normalised(a, how), tensor_b = Normalised(b, how);
    const auto pixels = (*engine)->Forward({a.data(), b.data()}, 2, /*embeddings=*/false);
    const auto tensors = (*engine)->Forward({tensor_a.data(), tensor_b.data()}, 2, false);
    const auto mixed = (*engine)->Forward({tensor_a.data(), b.data()}, 2, false);
    EXPECT_THAT(tensors->logits, Pointwise(FloatNear(1e-5), pixels->logits));
    EXPECT_THAT(mixed->logits, Pointwise(FloatNear(1e-5), pixels->logits));
  }
}

// For float32 on a CPU to the last bit.
TEST_F(EngineTest, ATensorThatIsNotFiniteChangesNoOtherAnswerOfItsBatch) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    tensors_.clear();
    const auto engine = Load(name).value();
    const size_t values = engine->description().preprocessing.bytes();
    const std::vector<uint8_t> a = Pixels(0, values), b = Pixels(1, values);
    const std::vector<float> zero(values), nan(values, std::numeric_limits<float>::quiet_NaN());
    const auto good = engine->Forward({a.data(), zero.data(), b.data()}, 4, false)->logits;
    const auto bad = engine->Forward({a.data(), nan.data(), b.data()}, 4, false)->logits;
    const size_t classes = bad.size() / 3;
    for (size_t i = 0; i < bad.size(); ++i) {
      if (i / classes == 1) {
        EXPECT_TRUE(std::isnan(bad[i]));
      } else {
        EXPECT_EQ(bad[i], good[i]);
      }
    }
  }
}

TEST_F(EngineTest, EmbeddingsComeOnlyWhenAskedFor) {
  const auto engine = Load("convmixer_small");
  const std::vector<uint8_t> image = Pixels(0, (*engine)->description().preprocessing.bytes());
  const auto output = (*engine)->Forward({image.data()}, /*bucket=*/1, /*embeddings=*/false);
  EXPECT_EQ(output->logits.size(), 10);
  EXPECT_THAT(output->embeddings, IsEmpty());
}

TEST_F(EngineTest, RunsByKernelsThatAreRight) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    const KeptWarnings warnings;
    FakeKernels fake;
    const EngineOptions steps = {.device = "cpu", .precision = Precision::kBFloat16};
    EngineOptions fused = steps;
    fused.kernels = &fake.kernels();
    fused.photo = PixelsAsPhoto;
    const auto [alone, batch] = AloneAndTogether(name, fused);
    EXPECT_THAT(warnings.texts(), IsEmpty());
    EXPECT_THAT(batch.logits,
                Pointwise(FloatNear(0.05), AloneAndTogether(name, steps).second.logits));
    EXPECT_THAT(batch.logits, Pointwise(FloatNear(0.05), alone.logits));
  }
}

TEST_F(EngineTest, ANetworkThatIsWrongByItsKernelsIsServedWithoutThem) {
  const KeptWarnings warnings;
  FakeKernels fake;
  fake.wrong_depthwise = true;
  EngineOptions options = {.device = "cpu", .precision = Precision::kBFloat16};
  const BatchOutput expected = AloneAndTogether("convmixer_small", options).second;
  options.kernels = &fake.kernels();
  options.photo = PixelsAsPhoto;
  const BatchOutput got = AloneAndTogether("convmixer_small", options).second;
  EXPECT_EQ(got.logits, expected.logits);
  EXPECT_THAT(
      warnings.texts(),
      ElementsAre(AllOf(HasSubstr(folder_.path()),
                        HasSubstr("served without our own kernels: INTERNAL: a batch of"))));
}

TEST_F(EngineTest, ANormThatIsWrongByItsKernelIsFoundToo) {
  const KeptWarnings warnings;
  FakeKernels fake;
  fake.wrong_norm = true;
  ASSERT_TRUE(Load("vit_small_patch8_32", {.device = "cpu",
                                           .precision = Precision::kBFloat16,
                                           .kernels = &fake.kernels(),
                                           .photo = PixelsAsPhoto})
                  .ok());
  EXPECT_THAT(warnings.texts(), ElementsAre(HasSubstr("served without our own kernels")));
}

TEST_F(EngineTest, Float32RunsWithoutKernels) {
  FakeKernels fake;
  EngineOptions options = kFloat32OnCpu;
  options.kernels = &fake.kernels();
  ASSERT_TRUE(Load("convmixer_small", options).ok());
  EXPECT_THAT(fake.gemms, IsEmpty());
  EXPECT_THAT(fake.depthwises, IsEmpty());
}

TEST_F(EngineTest, TheVersionChangesWithTheWeights) {
  const std::string before = Load("vit_small_patch8_32").value()->description().version;
  tensors_["norm.bias"].bytes[0] ^= 1;
  const std::string after = Load("vit_small_patch8_32").value()->description().version;
  EXPECT_NE(before, after);
}

TEST_F(EngineTest, WithoutTheHeadsTensorsThereIsNoClassifierWhateverConfigJsonSays) {
  for (const char* name : {"vit_small_patch8_32", "convmixer_small"}) {
    tensors_.clear();
    const auto whole = Load(name).value();
    removed_ = {"head.weight", "head.bias"};
    const auto engine = Load(name);
    removed_.clear();
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_THAT((*engine)->description().classes, IsEmpty());
    const std::vector<uint8_t> image = Pixels(0, whole->description().preprocessing.bytes());
    const BatchOutput expected = whole->Forward({image.data()}, 1, /*embeddings=*/true).value();
    const BatchOutput output = (*engine)->Forward({image.data()}, 1, /*embeddings=*/true).value();
    EXPECT_THAT(output.logits, IsEmpty());
    EXPECT_EQ(output.embeddings, expected.embeddings);
    EXPECT_EQ(output.embeddings.size(), (*engine)->description().embedding_size);
  }
}

TEST_F(EngineTest, HalfAHeadIsRefused) {
  removed_ = {"head.weight"};
  EXPECT_THAT(Load("vit_small_patch8_32"), Refused("tensor head.weight is missing"));
}

TEST_F(EngineTest, AMissingFileIsNotFound) {
  EXPECT_THAT(Engine::Load(folder_.path(), kFloat32OnCpu),
              IsError(absl::StatusCode::kNotFound, HasSubstr("config.json")));
  folder_.Write("config.json", ConfigJson(NamedCheckpoint("convmixer_small").value()));
  EXPECT_THAT(Engine::Load(folder_.path(), kFloat32OnCpu),
              IsError(absl::StatusCode::kNotFound, HasSubstr("model.safetensors")));
}

TEST_F(EngineTest, OtherWeightsInTheFolderAreNamed) {
  ASSERT_TRUE(Load("vit_small_patch8_32").ok());
  std::filesystem::remove(folder_.path("model.safetensors"));
  folder_.Write("pytorch_model.bin");
  folder_.Write("notes.txt");
  EXPECT_THAT(Engine::Load(folder_.path(), kFloat32OnCpu),
              IsError(absl::StatusCode::kNotFound,
                      HasSubstr("model.safetensors: no such file; there is pytorch_model.bin")));
}

TEST_F(EngineTest, WhatADownloadLeftInsteadOfAFileIsNamed) {
  ASSERT_TRUE(Load("vit_small_patch8_32").ok());
  const auto refused = [&](const std::string& what) {
    EXPECT_THAT(Engine::Load(folder_.path(), kFloat32OnCpu),
                IsError(absl::StatusCode::kInvalidArgument, HasSubstr(what)));
  };
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
  folder_.Write("model.safetensors", pointer);
  refused("model.safetensors is a Git LFS pointer, not the weights (git lfs pull)");
  folder_.Write("model.safetensors", "<!DOCTYPE html><html>Access denied</html>");
  refused("model.safetensors is no safetensors file (an HTML page)");
  folder_.Write("model.safetensors", "\n<HTML>");
  refused("model.safetensors is no safetensors file (an HTML page)");
  folder_.Write("model.safetensors", std::string("PK\3\4") + "archive/data.pkl");
  refused("model.safetensors is no safetensors file (a zip archive");
  folder_.Write("config.json", pointer);
  refused("config.json is a Git LFS pointer, not the configuration (git lfs pull)");
  folder_.Write("config.json", std::string("\xff\xfe{\0}\0", 6));
  refused("config.json is no JSON file (UTF-16 text, not UTF-8)");
}

TEST_F(EngineTest, WeightsInShardsAreTheSameNetwork) {
  const auto whole = Load("vit_small_patch8_32").value();
  std::map<std::string, RawTensor> first, second;
  std::string map;
  for (const auto& [name, tensor] : tensors_) {
    const bool even = first.size() <= second.size();
    (even ? first : second)[name] = tensor;
    map += (map.empty() ? "\"" : ",\"") + name + (even ? "\":\"a" : "\":\"b") + ".safetensors\"";
  }
  std::filesystem::remove(folder_.path("model.safetensors"));
  folder_.Write("a.safetensors", SafetensorsFile(first));
  folder_.Write("b.safetensors", SafetensorsFile(second));
  folder_.Write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const auto shards = Engine::Load(folder_.path(), kFloat32OnCpu);
  ASSERT_TRUE(shards.ok()) << shards.status();

  const auto image = Pixels(0, whole->description().preprocessing.bytes());
  EXPECT_EQ((*shards)->Forward({image.data()}, 1, false)->logits,
            whole->Forward({image.data()}, 1, false)->logits);
}

TEST_F(EngineTest, WeightsOfAWrapperAreServed) {
  spec_ = NamedCheckpoint("vit_small_patch8_32").value();
  for (const auto& [name, tensor] : RandomTensors(spec_, 1)) tensors_["module." + name] = tensor;
  const auto engine = Load("vit_small_patch8_32");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->description().weights_prefix, "module.");
}

TEST_F(EngineTest, ErrorsOfConfigJsonNameIt) {
  folder_.Write("config.json", "{}");
  EXPECT_THAT(Engine::Load(folder_.path(), kFloat32OnCpu),
              IsError(absl::StatusCode::kInvalidArgument,
                      HasSubstr("config.json: architecture is missing")));
}

TEST_F(EngineTest, ATensorOfAnotherNetworkIsRefused) {
  tensors_ = RandomTensors(NamedCheckpoint("vit_small_patch8_32").value(), 1);
  tensors_["norm_pre.weight"] = FloatTensor({1}, {1});
  EXPECT_THAT(Load("vit_small_patch8_32"), Refused("tensor norm_pre.weight [1] has no place"));
}

TEST_F(EngineTest, AMissingTensorIsRefused) {
  removed_ = {"blocks.1.norm2.bias"};
  EXPECT_THAT(Load("vit_small_patch8_32"), Refused("tensor blocks.1.norm2.bias is missing"));
}

TEST_F(EngineTest, WeightsThatContradictModelArgsAreRefused) {
  RandomCheckpoint deeper = NamedCheckpoint("convmixer_small").value();
  deeper.depth = 3;
  tensors_ = RandomTensors(deeper, 1);
  EXPECT_THAT(Load("convmixer_small"), Refused("model_args.depth is 2"));
}

TEST_F(EngineTest, PositionsThatAreNoGridAreRefused) {
  tensors_ = RandomTensors(NamedCheckpoint("vit_small_patch8_32").value(), 1);
  tensors_["pos_embed"] = FloatTensor({1, 6, 48}, std::vector<float>(6 * 48));
  EXPECT_THAT(Load("vit_small_patch8_32"), Refused("tensor pos_embed is for 5 patches"));
}

TEST_F(EngineTest, PositionsForTheClassTokenAloneAreRefused) {
  tensors_ = RandomTensors(NamedCheckpoint("vit_small_patch8_32").value(), 1);
  tensors_["pos_embed"] = FloatTensor({1, 1, 48}, std::vector<float>(48));
  EXPECT_THAT(Load("vit_small_patch8_32"), Refused("tensor pos_embed has 1 positions"));
}

TEST_F(EngineTest, WeightsThatAreNotNumbersAreRefused) {
  tensors_ = RandomTensors(NamedCheckpoint("convmixer_small").value(), 1);
  tensors_["head.bias"] =
      FloatTensor({10}, std::vector<float>(10, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_THAT(Load("convmixer_small"), Refused("tensor head.bias holds NaN or infinity"));
}

TEST_F(EngineTest, Float16OnACpuIsRefused) {
  EXPECT_THAT(Load("convmixer_small", {.device = "cpu", .precision = Precision::kFloat16}),
              IsError(absl::StatusCode::kInvalidArgument, HasSubstr("float16")));
}

TEST_F(EngineTest, AutoIsBFloat16WhereItIsMeasuredToBeFaster) {
  const double speedup = CpuBFloat16Speedup();
  EXPECT_GT(speedup, 0);
  EXPECT_EQ(CpuBFloat16Speedup(), speedup);  // measured once
  const auto engine = Load("convmixer_small", {.device = "cpu", .precision = Precision::kAuto});
  EXPECT_EQ((*engine)->description().precision, speedup >= 1.3 ? "bfloat16" : "float32");
}

TEST(ResolveDeviceTest, WhatIsNoDeviceIsRefused) {
  EXPECT_EQ(ResolveDevice("cpu").value(), "cpu");
  for (const char* name : {"gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", ""}) {
    EXPECT_THAT(ResolveDevice(name),
                IsError(absl::StatusCode::kInvalidArgument, HasSubstr("expected auto, cpu")));
  }
  EXPECT_THAT(ResolveDevice("cuda:1000"),
              IsError(absl::StatusCode::kFailedPrecondition, HasSubstr("CUDA devices")));
}

}  // namespace
}  // namespace patchserve
