#!/usr/bin/env python3
"""Writes server/model/vit_architecture_groups.cc: timm's named vision transformers.

  pip install torch==2.11.0 timm==1.0.31
  tools/make_vit_architectures.py > server/model/vit_architecture_groups.cc
  clang-format -i server/model/vit_architecture_groups.cc

Each entry point of timm's vision_transformer.py and deit.py is called, and what it
passes to VisionTransformer is written down where it differs from the defaults.
"""

import collections
import functools
import inspect
import sys
import warnings

import timm
from timm.models import vision_transformer
from timm.models._registry import _deprecated_models, _module_to_deprecated_models, _module_to_models

MODULES = ("vision_transformer", "deit")
ACTIVATIONS = {"gelu_tanh": "kGeluTanh", "quick_gelu": "kQuickGelu", "silu": "kSilu", "SiLU": "kSilu"}
POOLS = {"token": "kToken", "avg": "kAvg", "max": "kMax", "avgmax": "kAvgMax", "map": "kMap"}
SWITCHES = ("class_token", "no_embed_class", "pre_norm", "qkv_bias", "qk_norm", "proj_bias", "scale_attn_norm",
            "scale_mlp_norm", "final_norm", "fc_norm", "pool_include_prefix")
SHOWN_BY_TENSORS = ("embed_dim", "depth", "patch_size", "mlp_ratio", "num_classes", "in_chans")
NO_EFFECT = ("weight_init", "fix_init", "drop_rate")


def entry_points():
    """Every name, those that timm only keeps for old folders too."""
    return sorted({name for module in MODULES
                   for names in (_module_to_models[module], _module_to_deprecated_models[module]) for name in names})


def current(name):
    """The entry point that an old name stands for; its weights may be gone, but a folder brings its own."""
    return (_deprecated_models.get(name) or name).split(".")[0]


def arguments_of(name):
    """(class, keyword arguments) that the entry point builds its model with."""
    caught = {}

    class Caught(Exception):
        pass

    def init(self, *args, **kwargs):
        caught["model"] = type(self).__name__, kwargs
        raise Caught

    original = vision_transformer.VisionTransformer.__init__
    vision_transformer.VisionTransformer.__init__ = init
    try:
        # Otherwise timm passes on the size that its published weights are for.
        timm.create_model(name, pretrained_cfg_overlay={"fixed_input_size": False})
    except Caught:
        pass
    finally:
        vision_transformer.VisionTransformer.__init__ = original
    return caught["model"]


def name_of(value):
    """(name, keywords) of a layer given as a string, a class or a partial of one."""
    if isinstance(value, functools.partial):
        return value.func.__name__, value.keywords
    return (value if isinstance(value, str) else value.__name__), {}


def option(key, value):
    """The C++ fields that an argument sets; KeyError if there are none for it."""
    if key in SWITCHES:
        return {key: str(value).lower()}
    if key == "reg_tokens":
        return {key: str(value)}
    if key == "init_values":
        return {"layer_scale": "true"}
    if key == "global_pool":
        return {"pool": f"Pool::{POOLS[value]}"}
    if key == "norm_layer":
        name, keywords = name_of(value)
        kind = {"LayerNorm": {}, "RmsNorm": {"rms_norm": "true"}, "rmsnorm": {"rms_norm": "true"}}[name]
        return dict(kind, norm_epsilon=repr(keywords["eps"])) if keywords.get("eps", 1e-6) != 1e-6 else kind
    if key == "embed_norm_layer":
        return {("RmsNorm", 1e-5): {"embed_norm": "true"}}[value.func.__name__, value.keywords["eps"]]
    if key == "mlp_layer":
        return {"SwiGLU": {"swiglu": "true"}, "GluMlp": {"packed_glu": "true"}}[name_of(value)[0]]
    if key == "block_fn":
        return {"ResPostBlock": {"post_norm": "true"}, "ParallelScalingBlock": {"parallel": "true"}}[name_of(value)[0]]
    raise KeyError(key)


def position_resize(name):
    """As _create_vision_transformer chooses it."""
    if "flexi" in name:
        return {"position_resize": "PositionResize::kBilinear"}
    if "radio" in name:
        aligned = any(part in name for part in vision_transformer._RADIO_ALIGN_CORNERS)
        return {"position_resize": "PositionResize::kBilinear" + ("AlignCorners" if aligned else "")}
    return {}


FIELDS = ("norm_epsilon", "rms_norm", "position_resize", "class_token", "distilled", "reg_tokens",
          "no_embed_class", "embed_norm", "pre_norm", "parallel", "post_norm", "qkv_bias", "qk_norm", "proj_bias",
          "scale_attn_norm", "scale_mlp_norm", "layer_scale", "swiglu", "packed_glu", "final_norm", "pool",
          "pool_include_prefix", "fc_norm")  # as vit_options.h orders them


def architecture(name):
    """(heads, the rest as C++) of an entry point."""
    parameters = inspect.signature(vision_transformer.VisionTransformer.__init__).parameters
    model, arguments = arguments_of(name)
    fields = position_resize(name)
    if model == "VisionTransformerDistilled":
        fields["distilled"] = "true"
    activation, unsupported, sizes = "kGelu", None, []
    for key, value in arguments.items():
        if key in SHOWN_BY_TENSORS + NO_EFFECT + ("num_heads",) or value == parameters[key].default:
            continue
        if key == "act_layer":
            activation = ACTIVATIONS[name_of(value)[0]]
            continue
        if key in ("img_size", "dynamic_img_size"):
            sizes.append(f".{key} = {str(value).lower()}")
            continue
        try:
            fields.update(option(key, value))
        except KeyError:
            unsupported = f"{key}={name_of(value)[0]}"
    heads = arguments.get("num_heads", parameters["num_heads"].default)
    if unsupported:
        return heads, f'{{.unsupported = "{unsupported}"}}'
    parts = []
    if fields:
        parts.append(f".options = {{{', '.join(f'.{field} = {fields[field]}' for field in FIELDS if field in fields)}}}")
    if activation != "kGelu":
        parts.append(f".activation = Activation::{activation}")
    return heads, f"{{{', '.join(parts + sorted(sizes, reverse=True))}}}"


def check_none_is_missing(table):
    missing = [name for name in entry_points() if f'"{name}"' not in table]
    if missing:
        sys.exit(f"timm has these too: {', '.join(missing)}")


def main():
    warnings.simplefilter("ignore")
    groups = collections.defaultdict(list)
    for name in entry_points():
        heads, rest = architecture(current(name))
        groups[rest].append(f'{{"{name}", {heads}}}')
    check_none_is_missing("".join(sum(groups.values(), [])))
    print(f"""// Made by tools/make_vit_architectures.py from timm {timm.__version__}; not to be edited.
#include "server/model/vit_architectures.h"

namespace patchserve {{

std::vector<ViTArchitectureGroup> ViTArchitectureGroups() {{
  return {{""")
    for rest, names in groups.items():
        print(f"{{{rest}, {{{', '.join(names)}}}}},")
    print("};\n}\n\n}  // namespace patchserve")


if __name__ == "__main__":
    main()
