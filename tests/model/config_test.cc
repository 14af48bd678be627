#include "server/model/config.h"

#include "nlohmann/json.hpp"
#include "tests/model/status_matchers.h"

namespace patchserve {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

// A valid config.json, `changes` merged into it (RFC 7396: null removes a field).
absl::StatusOr<ModelConfig> Parse(const json& changes) {
  json config = json::parse(R"({
    "architecture": "vit_tiny_patch16_224", "num_classes": 3, "num_features": 192,
    "global_pool": "token", "model_args": {"img_size": [224, 224], "num_classes": 3},
    "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": true, "num_classes": 3,
                       "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
                       "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}})");
  config.merge_patch(changes);
  return ParseModelConfig(config.dump());
}

auto Refused(const std::string& part) {
  return IsError(absl::StatusCode::kInvalidArgument, HasSubstr(part));
}

TEST(ModelConfigTest, TodaysFormIsRead) {
  const auto config = Parse(json::object());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "vit_tiny_patch16_224");
  EXPECT_EQ(config->family, Family::kViT);
  EXPECT_EQ(config->vit.num_heads, 3);
  EXPECT_EQ(config->num_classes(), 3);
  EXPECT_EQ(config->preprocessing.crop_pct, 0.9);
  EXPECT_THAT(config->preprocessing.mean, ElementsAre(0.5f, 0.5f, 0.5f));
}

TEST(ModelConfigTest, AModelMayHaveNoClassifier) {
  const json none = {{"num_classes", 0}};
  const auto config = Parse({{"num_classes", 0}, {"model_args", none}, {"pretrained_cfg", none}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_classes(), 0);
}

TEST(ModelConfigTest, TimmsDefaultsFillIn) {
  const auto config = ParseModelConfig(R"({"architecture": "convmixer_768_32", "num_classes": 3})");
  ASSERT_TRUE(config.ok()) << config.status();
  const Preprocessing& how = config->preprocessing;
  EXPECT_EQ(how.width, 224);
  EXPECT_EQ(how.height, 224);
  EXPECT_EQ(how.crop_pct, 0.875);
  EXPECT_EQ(how.interpolation, Interpolation::kBicubic);
  EXPECT_EQ(how.crop_mode, CropMode::kCenter);
  EXPECT_THAT(how.mean, ElementsAre(0.485f, 0.456f, 0.406f));
  EXPECT_THAT(how.std, ElementsAre(0.229f, 0.224f, 0.225f));
}

TEST(ModelConfigTest, TheFlatFormIsRead) {
  const auto config = ParseModelConfig(
      R"({"architecture": "convmixer_768_32", "num_classes": 2, "input_size": [3, 96, 128],
          "interpolation": "bilinear", "crop_mode": "squash", "labels": ["a", "b"]})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->preprocessing.height, 96);
  EXPECT_EQ(config->preprocessing.width, 128);
  EXPECT_EQ(config->preprocessing.interpolation, Interpolation::kBilinear);
  EXPECT_EQ(config->preprocessing.crop_mode, CropMode::kSquash);
  EXPECT_EQ(config->classes[1].label, "b");
}

TEST(ModelConfigTest, TheActivationComesFromTheArchitectureUnlessGiven) {
  const auto activation = [](const std::string& text) {
    return ParseModelConfig(text).value().activation;
  };
  EXPECT_EQ(activation(R"({"architecture": "convmixer_768_32", "num_classes": 1})"),
            Activation::kRelu);
  EXPECT_EQ(activation(R"({"architecture": "convmixer_1536_20", "num_classes": 1})"),
            Activation::kGelu);
  EXPECT_EQ(activation(R"({"architecture": "convmixer_1536_20", "num_classes": 1,
                           "model_args": {"act_layer": "relu"}})"),
            Activation::kRelu);
}

TEST(ModelConfigTest, ModelArgsSayTheHeadsOrTheNameDoes) {
  EXPECT_EQ(Parse({{"architecture", "deit_base_patch16_384"}})->vit.num_heads, 12);
  EXPECT_EQ(Parse({{"model_args", {{"num_heads", 5}}}})->vit.num_heads, 5);
  EXPECT_THAT(Parse({{"architecture", "vit_wide_patch16_224"}}),
              Refused("model_args.num_heads is missing"));
}

TEST(ModelConfigTest, AnOldNameMeansTheOneItStoodFor) {
  EXPECT_EQ(Parse({{"architecture", "vit_base_patch16_224_sam"}})->vit.num_heads, 12);
  EXPECT_EQ(Parse({{"architecture", "vit_base_patch32_224_sam"}})->vit.num_heads, 12);
}

TEST(ModelConfigTest, TheArchitecturesNameSaysWhatModelArgsDont) {
  const auto clip = Parse({{"architecture", "vit_base_patch16_clip_quickgelu_224"}});
  EXPECT_EQ(clip->activation, Activation::kQuickGelu);
  EXPECT_EQ(clip->vit.norm_epsilon, 1e-5);
  EXPECT_TRUE(clip->vit.pre_norm);
  const auto deit3 =
      Parse({{"architecture", "deit3_small_patch16_224"}, {"model_args", {{"init_values", 0}}}});
  EXPECT_TRUE(deit3->vit.no_embed_class);
  EXPECT_FALSE(deit3->vit.layer_scale);
}

TEST(ModelConfigTest, ANormThatIsNamedHasTimmsUsualEpsilon) {
  const auto config = Parse({{"architecture", "vit_base_patch16_clip_224"},
                             {"model_args", {{"norm_layer", "layernorm"}}}});
  EXPECT_EQ(config->vit.norm_epsilon, 1e-6);
}

TEST(ModelConfigTest, NullInModelArgsIsTimmsDefaultNotTheArchitectures) {
  const auto clip = ParseModelConfig(
      R"({"architecture": "vit_base_patch16_clip_quickgelu_224", "num_classes": 1,
          "model_args": {"act_layer": null, "norm_layer": null, "pre_norm": null}})");
  EXPECT_EQ(clip->activation, Activation::kGelu);
  EXPECT_EQ(clip->vit.norm_epsilon, 1e-6);
  EXPECT_FALSE(clip->vit.pre_norm);
  const auto aimv2 = ParseModelConfig(
      R"({"architecture": "aimv2_large_patch14_224", "num_classes": 1,
          "model_args": {"fc_norm": null}})");
  EXPECT_EQ(aimv2->vit.fc_norm, std::nullopt);
}

TEST(ModelConfigTest, TheRootSaysThePoolWhereModelArgsDont) {
  EXPECT_EQ(Parse({{"global_pool", "avg"}})->vit.pool, Pool::kAvg);
  const auto args = Parse({{"global_pool", "max"}, {"model_args", {{"global_pool", "max"}}}});
  EXPECT_EQ(args->vit.pool, Pool::kMax);
  EXPECT_THAT(Parse({{"model_args", {{"global_pool", "avg"}}}}),
              Refused("global_pool is \"token\", expected what model_args.global_pool says"));
}

TEST(ModelConfigTest, ADistilledModelHasNoRegisters) {
  EXPECT_THAT(Parse({{"architecture", "deit_tiny_distilled_patch16_224"},
                     {"model_args", {{"reg_tokens", 2}}}}),
              Refused("model_args.reg_tokens of a distilled model is 2"));
}

TEST(ModelConfigTest, ATokenPoolNeedsAClassToken) {
  EXPECT_THAT(Parse({{"model_args", {{"class_token", false}}}}),
              Refused("global_pool is \"token\" without a class_token"));
}

TEST(ModelConfigTest, AnyPictureSizeMeansThatInputSizeCounts) {
  const auto config = Parse({{"model_args", {{"img_size", {64, 32}}, {"dynamic_img_size", true}}}});
  EXPECT_EQ(config->preprocessing.height, 224);
  EXPECT_THAT(config->trained_size, ElementsAre(64, 32));
  EXPECT_THAT(config->built_size, ElementsAre(64, 32));
}

TEST(ModelConfigTest, AFixedSizeNetworkIsFedWhatItWasBuiltFor) {
  const auto config = Parse({{"model_args", {{"img_size", {64, 32}}}}});
  EXPECT_EQ(config->preprocessing.height, 64);
  EXPECT_EQ(config->preprocessing.width, 32);
  EXPECT_THAT(config->built_size, ElementsAre(64, 32));
}

// A folder that doesn't say img_size, for pictures of 96x80.
absl::StatusOr<ModelConfig> WithoutImgSize(const char* architecture, bool fixed,
                                           const json& model_args = json::object()) {
  json args = {{"img_size", nullptr}};
  args.update(model_args);
  return Parse({{"architecture", architecture},
                {"global_pool", nullptr},
                {"model_args", args},
                {"pretrained_cfg", {{"input_size", {3, 96, 80}}, {"fixed_input_size", fixed}}}});
}

TEST(ModelConfigTest, ANetworkForAnySizeIsBuiltForItsNamesUnlessTheSizeIsFixed) {
  EXPECT_THAT(WithoutImgSize("test_vit", false)->built_size, ElementsAre(224, 224));
  EXPECT_THAT(WithoutImgSize("test_vit", true)->built_size, ElementsAre(96, 80));
  EXPECT_THAT(WithoutImgSize("test_vit", false, {{"dynamic_img_size", false}})->built_size,
              ElementsAre(96, 80));
}

TEST(ModelConfigTest, ModelArgsThatAskForAnySizeUndoAFixedOne) {
  const json any_size = {{"dynamic_img_size", true}};
  const auto vit = WithoutImgSize("vit_tiny_patch16_224", true, any_size);
  EXPECT_THAT(vit->built_size, ElementsAre(224, 224));
  EXPECT_THAT(vit->trained_size, ElementsAre(96, 80));
  EXPECT_THAT(WithoutImgSize("vit_base_patch16_radio_v3", true, any_size)->built_size,
              ElementsAre(512, 512));
}

TEST(ModelConfigTest, ThePatchIsASideOrASquare) {
  const auto with = [](const json& value) {
    return Parse({{"model_args", {{"patch_size", value}}}});
  };
  EXPECT_EQ(with(8)->model_args.patch_size, 8);
  EXPECT_EQ(with({8, 8})->model_args.patch_size, 8);
  EXPECT_THAT(with({8, 16}), Refused("model_args.patch_size is [8,16]"));
  EXPECT_THAT(with({0, 0}), Refused("model_args.patch_size is [0,0]"));
  EXPECT_THAT(with({8, 8, 8}), Refused("model_args.patch_size is [8,8,8]"));
}

TEST(ModelConfigTest, LabelsMayBeAListOrIdsWithGaps) {
  const auto list = Parse({{"label_names", {"a", "b", "c"}}});
  EXPECT_EQ(list->classes[2].label, "c");
  const auto ids = Parse(
      {{"label_names", {{"0", "a"}, {"2", "c"}}}, {"label_descriptions", {{"c", "the third"}}}});
  EXPECT_EQ(ids->classes[1].label, "1");
  EXPECT_EQ(ids->classes[2].label, "c");
  EXPECT_EQ(ids->classes[2].description, "the third");
}

TEST(ModelConfigTest, ImageNetsNamesAreBuiltIn) {
  const json imagenet = {{"num_classes", 1000},
                         {"model_args", {{"num_classes", 1000}}},
                         {"pretrained_cfg", {{"tag", "augreg_in21k_ft_in1k"}}}};
  const auto config = Parse(imagenet);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->classes[281].label, "n02123045");
  EXPECT_EQ(config->classes[281].description, "tabby, tabby cat");
  EXPECT_EQ(config->classes[999].description, "toilet tissue, toilet paper, bathroom tissue");
}

TEST(ModelConfigTest, ImageNetsNamesAreNotForOthers) {
  const auto first = [](int classes, const char* tag, const json& names) {
    return Parse({{"num_classes", classes},
                  {"model_args", {{"num_classes", classes}}},
                  {"label_names", names},
                  {"pretrained_cfg", {{"tag", tag}}}})
        ->classes[0]
        .label;
  };
  EXPECT_EQ(first(1000, "sw_in12k", nullptr), "0");
  EXPECT_EQ(first(10, "augreg_in1k", nullptr), "0");
  EXPECT_EQ(first(1000, "augreg_in1k", {{"0", "mine"}}), "mine");
}

TEST(ModelConfigTest, AnEmptyListOfNamesIsNone) {
  EXPECT_EQ(Parse({{"label_names", json::array()}})->classes[2].label, "2");
  const auto imagenet = Parse({{"num_classes", 1000},
                               {"model_args", {{"num_classes", 1000}}},
                               {"label_names", json::array()},
                               {"pretrained_cfg", {{"tag", "augreg_in1k"}}}});
  EXPECT_EQ(imagenet->classes[281].label, "n02123045");
}

TEST(ModelConfigTest, TheRootsClassesWin) {
  const auto config = Parse({{"label_names", {"a", "b", "c"}},
                             {"pretrained_cfg", {{"num_classes", 1000}, {"label_names", {"x"}}}}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_classes(), 3);
  EXPECT_EQ(config->classes[0].label, "a");
}

TEST(ModelConfigTest, LabelsThatDontFitAreRefused) {
  EXPECT_THAT(Parse({{"label_names", {"a"}}}),
              Refused("label_names has 1 entries, expected num_classes = 3"));
  EXPECT_THAT(Parse({{"label_names", {{"3", "d"}}}}), Refused("label_names.3"));
  EXPECT_THAT(Parse({{"label_names", {1, 2, 3}}}), Refused("a list of strings"));
  EXPECT_THAT(Parse({{"label_names", 7}}), Refused("label_names is 7"));
  EXPECT_THAT(Parse({{"label_descriptions", {{"0", 1}}}}), Refused("label_descriptions.0 is 1"));
}

TEST(ModelConfigTest, OtherNetworksAreRefusedByName) {
  for (const char* name :
       {"resnet50", "vit", "", "vit_base_patch16_later_224", "swin_tiny_patch4_window7_224"}) {
    EXPECT_THAT(Parse({{"architecture", name}}),
                IsError(absl::StatusCode::kInvalidArgument,
                        AllOf(HasSubstr(name), HasSubstr("supported are convmixer_*, mixer_*, "))));
  }
}

TEST(ModelConfigTest, AnArchitectureThatIsBuiltOtherwiseIsRefusedWithTheReason) {
  EXPECT_THAT(Parse({{"architecture", "vit_base_patch16_18x2_224"}}),
              Refused("vit_base_patch16_18x2_224 is built with block_fn=ParallelThingsBlock"));
}

TEST(ModelConfigTest, AMixersNameSaysItsBlocksAndActivation) {
  const auto mixer = [](const char* name) {
    return ParseModelConfig(json{{"architecture", name}, {"num_classes", 1}}.dump()).value();
  };
  EXPECT_EQ(mixer("mixer_b16_224").mixer, MixerKind::kMixer);
  EXPECT_EQ(mixer("gmixer_24_224").mixer, MixerKind::kGluMixer);
  EXPECT_EQ(mixer("gmixer_24_224").activation, Activation::kSilu);
  EXPECT_EQ(mixer("resmlp_big_24_224").mixer, MixerKind::kResMlp);
  EXPECT_EQ(mixer("resmlp_big_24_224").activation, Activation::kGelu);
  EXPECT_EQ(mixer("gmlp_s16_224").mixer, MixerKind::kGmlp);
}

TEST(ModelConfigTest, WhatAMixerIsNotBuiltWithIsRefused) {
  const auto with = [](const char* key, const json& value) {
    return Parse({{"architecture", "mixer_b16_224"},
                  {"global_pool", "avg"},
                  {"model_args", {{key, value}}}});
  };
  EXPECT_THAT(with("mlp_ratio", json::array({0.5, 4})).value().model_args.mlp_ratios,
              Optional(ElementsAre(0.5, 4)));
  EXPECT_THAT(with("mlp_ratio", 3).value().model_args.mlp_ratios, Optional(ElementsAre(3, 3)));
  EXPECT_THAT(with("mlp_ratio", json::array({1, 2, 3})),
              Refused("model_args.mlp_ratio is [1,2,3]"));
  EXPECT_THAT(with("stem_norm", true), Refused("model_args.stem_norm is true"));
  EXPECT_THAT(with("num_heads", 3), Refused("model_args.num_heads is 3, expected no such field"));
  EXPECT_THAT(with("global_pool", ""), Refused("model_args.global_pool is \"\""));
  EXPECT_THAT(Parse({{"architecture", "mixer_b16_224"}}), Refused("global_pool is \"token\""));
}

TEST(ModelConfigTest, MissingFieldsAreNamed) {
  EXPECT_THAT(Parse({{"architecture", nullptr}}), Refused("architecture is missing"));
  EXPECT_THAT(ParseModelConfig(R"({"architecture": "convmixer_a"})"),
              Refused("num_classes is missing"));
}

TEST(ModelConfigTest, WrongTypesAndValuesAreNamedWithWhatWasExpected) {
  EXPECT_THAT(Parse({{"architecture", 5}}), Refused("architecture is 5, expected a string"));
  EXPECT_THAT(Parse({{"num_classes", -1}}), Refused("num_classes is -1"));
  EXPECT_THAT(Parse({{"num_classes", 18446744073709551615u}}), Refused("num_classes is"));
  EXPECT_THAT(Parse({{"num_classes", 4}}), Refused("model_args.num_classes is 3"));
  EXPECT_THAT(Parse({{"global_pool", "prr"}}), Refused("global_pool is \"prr\""));
  EXPECT_THAT(Parse({{"model_args", {1}}}), Refused("model_args is [1], expected an object"));
  EXPECT_THAT(Parse({{"pretrained_cfg", {{"crop_pct", "a lot"}}}}),
              Refused("pretrained_cfg.crop_pct is \"a lot\""));
}

TEST(ModelConfigTest, PreprocessingOutOfBoundsIsRefused) {
  const auto with = [](const char* key, const json& value) {
    return Parse({{"pretrained_cfg", {{key, value}}}});
  };
  EXPECT_THAT(with("crop_pct", 0), Refused("crop_pct is 0"));
  EXPECT_THAT(with("crop_pct", 1.01), Refused("crop_pct is 1.01"));
  EXPECT_THAT(with("crop_pct", 1e-9), Refused("crop_pct is 1e-09"));
  EXPECT_THAT(with("crop_mode", "corner"), Refused("crop_mode is \"corner\""));
  EXPECT_THAT(with("interpolation", "lanczos"), Refused("expected bicubic or bilinear"));
  EXPECT_THAT(with("mean", {0.5}), Refused("mean is [0.5]"));
  EXPECT_THAT(with("std", {0.5, 0.0, 0.5}), Refused("std is [0.5,0.0,0.5]"));
  EXPECT_THAT(with("input_size", {1, 224, 224}), Refused("input_size is [1,224,224]"));
  EXPECT_THAT(with("input_size", {3, 0, 224}), Refused("input_size is [3,0,224]"));
  EXPECT_THAT(with("input_size", {3, 1 << 20, 224}), Refused("input_size"));
}

TEST(ModelConfigTest, ModelArgsForAnotherNetworkAreRefused) {
  const auto with = [](const char* key, const json& value) {
    return Parse({{"model_args", {{key, value}}}});
  };
  EXPECT_THAT(with("pos_embed", "none"), Refused("model_args.pos_embed is \"none\""));
  EXPECT_THAT(with("attn_layer", "diff"), Refused("model_args.attn_layer is \"diff\""));
  EXPECT_THAT(with("global_pool", "prr"), Refused("model_args.global_pool is \"prr\""));
  EXPECT_THAT(with("act_layer", "mish"), Refused("model_args.act_layer"));
  EXPECT_THAT(with("norm_layer", "batchnorm"), Refused("model_args.norm_layer"));
  EXPECT_THAT(with("init_values", "x"), Refused("model_args.init_values"));
  EXPECT_THAT(with("dynamic_img_pad", true), Refused("model_args.dynamic_img_pad"));
  EXPECT_THAT(with("rope", true), Refused("model_args.rope is true, expected no such field"));
  EXPECT_THAT(with("in_chans", 1), Refused("model_args.in_chans is 1"));
  EXPECT_THAT(with("kernel_size", 9), Refused("model_args.kernel_size is 9"));  // a ConvMixer's
  EXPECT_THAT(with("num_heads", 0), Refused("model_args.num_heads is 0"));
  EXPECT_THAT(with("img_size", {224}), Refused("model_args.img_size is [224]"));
  EXPECT_TRUE(with("drop_path_rate", 0.1).ok());
}

TEST(ModelConfigTest, BrokenJsonIsRefusedWithTheLineAndColumn) {
  EXPECT_THAT(ParseModelConfig("{\n  \"a\": 1,\n}"),
              Refused("not valid JSON, at line 3, column 1"));
  EXPECT_THAT(ParseModelConfig("// by hand\n{}"),
              Refused("at line 1, column 1: syntax error while parsing value - invalid literal; "
                      "last read: '/'"));
  EXPECT_THAT(ParseModelConfig("{\"a\": 1e999}"), Refused("not valid JSON"));
  EXPECT_THAT(ParseModelConfig("{\"b\": NaN,\n \"a\": nan}"), Refused("at line 2, column 8"));
}

// Python's json writes it.
TEST(ModelConfigTest, NumbersThatAreNotFiniteAreTakenWhereTheyAreNotRead) {
  EXPECT_TRUE(ParseModelConfig(R"({"architecture": "vit_tiny_patch16_224", "num_classes": 10,
      "note": [NaN, Infinity, -Infinity], "a \" NaN": "NaN, Infinity \\"})")
                  .ok());
  EXPECT_THAT(ParseModelConfig(R"({"architecture": "vit_tiny_patch16_224", "num_classes": 10,
      "crop_pct": NaN})"),
              Refused("crop_pct is"));
}

TEST(ModelConfigTest, FoldersOfOtherLibrariesAreNamed) {
  EXPECT_THAT(
      ParseModelConfig(R"({"architectures": ["ViTForImageClassification"], "model_type": "vit"})"),
      Refused("a folder of transformers, not of timm"));
  EXPECT_THAT(ParseModelConfig(R"({"model_cfg": {}})"),
              Refused("a folder of OpenCLIP, not of timm"));
}

TEST(ModelConfigTest, BrokenJsonIsRefused) {
  EXPECT_THAT(ParseModelConfig(""), Refused("not valid JSON"));
  EXPECT_THAT(ParseModelConfig("{\"architecture\": "), Refused("not valid JSON"));
  EXPECT_THAT(ParseModelConfig("[]"), Refused("not a JSON object"));
  EXPECT_THAT(ParseModelConfig("{\"a\": \"\xff\"}"),
              Refused("not valid JSON, and not UTF-8, at line 1"));
  EXPECT_THAT(ParseModelConfig(R"({"a": 1, "b": {"a": 2}, "a": 3})"), Refused("\"a\" twice"));
  EXPECT_THAT(ParseModelConfig(std::string(1'000'000, '[')), Refused("nested more than"));
}

}  // namespace
}  // namespace patchserve
