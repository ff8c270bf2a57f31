"""The style transfer programs whose command lines are known: names, options, and whose a line is."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from nst_jax.errors import UserError
from nst_jax.files import shown

Options = dict[str, list[str]]
"""A command's options by name without dashes, each with its values; positional words under the empty name."""


@dataclass(frozen=True)
class Tool:
    """A program: its preset, whose it is, the names of its file, its options, and those that name its pictures.

    `many` options take several words, `flags` none, the others one; `own` are those that no other program has.
    """

    preset: str
    whose: str
    programs: tuple[str, ...]
    options: frozenset[str]
    content: str
    style: str
    output: str
    own: frozenset[str]
    many: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    short: Mapping[str, str] = field(default_factory=dict)

    def option(self, word: str) -> str:
        """Give the full name of an option, which the program lets be abbreviated; empty if it has none of that name."""
        name = word.lstrip("-")
        name = self.short.get(name, name).replace("-", "_")
        if name in self.options:
            return name
        fitting = [o for o in self.options if o.startswith(name)] if word.startswith("--") and len(name) > 1 else []
        return fitting[0] if len(fitting) == 1 else ""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TORCH = _words(
    "style_image style_blend_weights content_image image_size gpu content_weight style_weight tv_weight num_iterations "
    "normalize_gradients init init_image optimizer learning_rate lbfgs_num_correction print_iter save_iter "
    "output_image style_scale original_colors pooling model_file backend cudnn_autotune seed content_layers "
    "style_layers"
)
_PICTURES = ("content_image", "style_image", "output_image")
_OWN = frozenset({"content_image", "style_image"})

TOOLS = (
    Tool(
        "neural-style-pt", "neural-style-pt's neural_style.py", ("neural_style.py", "neural-style"),
        _TORCH | {"multidevice_strategy", "normalize_weights", "disable_check"}, *_PICTURES, own=_OWN,
        flags=frozenset({"cudnn_autotune", "normalize_gradients", "normalize_weights", "disable_check"}),
    ),
    Tool(
        "jcjohnson", "jcjohnson's neural_style.lua", ("neural_style.lua",),
        _TORCH | {"multigpu_strategy", "proto_file"}, *_PICTURES, own=_OWN,
        flags=frozenset({"cudnn_autotune", "normalize_gradients"}),
    ),
    Tool(
        "anishathalye", "anishathalye's neural_style.py", ("neural_style.py", "neural-style"),
        _words(
            "content styles output iterations print_iterations checkpoint_output checkpoint_iterations "
            "progress_write progress_plot width style_scales network content_weight_blend content_weight style_weight "
            "style_layer_weight_exp style_blend_weights tv_weight learning_rate beta1 beta2 epsilon initial "
            "initial_noiseblend preserve_colors pooling overwrite"
        ),
        "content", "styles", "output", own=frozenset({"styles"}),
        many=frozenset({"styles", "style_scales", "style_blend_weights"}),
        flags=frozenset({"progress_write", "progress_plot", "preserve_colors", "overwrite"}),
    ),
    Tool(
        "gatys2015", "cysmith's neural-style-tf", ("neural_style.py",),
        _words(
            "verbose img_name style_imgs style_imgs_weights content_img style_imgs_dir content_img_dir init_img_type "
            "max_size content_weight style_weight tv_weight temporal_weight content_loss_function content_layers "
            "style_layers content_layer_weights style_layer_weights original_colors color_convert_type style_mask "
            "style_mask_imgs noise_ratio seed model_weights pooling_type device img_output_dir optimizer learning_rate "
            "max_iterations print_iterations video start_frame end_frame first_frame_type init_frame_type "
            "video_input_dir video_output_dir content_frame_frmt backward_optical_flow_frmt forward_optical_flow_frmt "
            "content_weights_frmt prev_frame_indices first_frame_iterations frame_iterations"
        ),
        "content_img", "style_imgs", "img_name", own=frozenset({"content_img", "style_imgs"}),
        many=_words(
            "style_imgs style_imgs_weights content_layers style_layers content_layer_weights style_layer_weights "
            "style_mask_imgs prev_frame_indices"
        ),
        flags=frozenset({"verbose", "original_colors", "style_mask", "video"}),
    ),
    Tool(
        "gordic", "gordicaleksa's neural_style_transfer.py", ("neural_style_transfer.py",),
        _words(
            "content_img_name style_img_name height content_weight style_weight tv_weight optimizer model "
            "init_method saving_freq output"
        ),
        "content_img_name", "style_img_name", "output", own=frozenset({"content_img_name", "style_img_name"}),
    ),
    Tool(
        "crowson", "crowsonkb's style_transfer", ("style_transfer", "style_transfer.py", "style-transfer"),
        _words(
            "output style_weights devices random_seed content_weight tv_weight optimizer min_scale end_scale "
            "iterations initial_iterations save_every step_size avg_decay init style_scale_fac style_size pooling "
            "proof web host port browser"
        ),
        "", "styles", "output", own=frozenset({"min_scale", "end_scale", "initial_iterations", "avg_decay"}),
        many=frozenset({"style_weights", "devices"}), flags=frozenset({"web"}),
        short={
            "o": "output", "sw": "style_weights", "r": "random_seed", "cw": "content_weight", "tw": "tv_weight",
            "ms": "min_scale", "s": "end_scale", "i": "iterations", "ii": "initial_iterations", "ss": "step_size",
            "ad": "avg_decay",
        },
    ),
)  # fmt: skip
"""Those that have a preset here; of two that could read a line, the first."""

STRANGERS = {
    frozenset({"content_image", "style_image", "dataset", "checkpoint_model_dir"}): "a feed-forward network's training",
    frozenset({"checkpoint", "in_path", "out_path"}): "lengstrom's feed-forward fast-style-transfer",
    frozenset({"content_dir", "style_dir", "decoder"}): "a feed-forward network such as AdaIN's",
}
"""Programs without a preset, by options of theirs: what they minimise, or whether they do, is another thing."""


def recognise(words: list[str]) -> tuple[Tool, Options]:
    """Find whose command line it is by its options, and sort its words into them.

    Raises:
        UserError: nobody's that is known, one whose objective has no preset, or an option that the program lacks.
    """
    at = next((i for i, word in enumerate(words) if _programs(word)), None)
    named = _programs(words[at]) if at is not None else ()
    rest = words[at + 1 :] if at is not None else _after_script(words)
    if rest[:1] in (["train"], ["eval"]):
        raise UserError(
            f"'{rest[0]}' is a command of a feed-forward network: it is trained, nothing here means the same"
        )
    names = {word.lstrip("-").partition("=")[0].replace("-", "_") for word in rest if _is_option(word)}
    tools = named or tuple(tool for tool in TOOLS if {tool.option(f"--{name}") for name in names} & tool.own)
    found = [tool for tool in tools if all(tool.option(w.partition("=")[0]) for w in rest if _is_option(w))]
    if found:
        return found[0], split(rest, found[0])
    for options, whose in STRANGERS.items():
        if names & options == options or (names & options and not tools) or len(names & options) > 1:
            raise UserError(f"these are the options of {whose}, whose objective no preset here has")
    if not tools:
        raise UserError(f"not a command line that is known: expected one of {', '.join(tool.whose for tool in TOOLS)}")
    raise UserError(_unknown(rest, tools))


def split(words: list[str], tool: Tool) -> Options:
    """Sort the words after a program's name into its options and their values."""
    found: Options = {"": []}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            found[""] += rest
            break
        if not _is_option(word):
            found[""].append(word)
            continue
        option, equals, value = word.partition("=")
        name = tool.option(option)
        found[name] = [value] if equals else []
        while not equals and rest and rest[0] != "--" and not _is_option(rest[0]):
            numeric = name in tool.flags or (
                name in tool.many and name.endswith(("weights", "scales"))
            )  # some versions number their flags
            if (found[name] and name not in tool.many) or (numeric and not all(map(_is_number, rest[0].split(",")))):
                break
            found[name].append(rest.pop(0))
    return found


def _after_script(words: list[str]) -> list[str]:
    """Leave out an interpreter and a script of some other name."""
    for i, word in enumerate(words):
        if not (re.fullmatch(r"(python[\d.]*|th)", PurePath(word).name) or word.endswith((".py", ".lua"))):
            return words[i:]
    return []


def _programs(word: str) -> tuple[Tool, ...]:
    name = PurePath(word).name
    return tuple(tool for tool in TOOLS if name in tool.programs)


def _unknown(words: list[str], tools: tuple[Tool, ...]) -> str:
    """Name the first option that none of the programs has, and the nearest that one has."""
    given = [word.partition("=")[0] for word in words if _is_option(word)]
    odd = next((w for w in given if not any(tool.option(w) for tool in tools)), None)
    if odd is None:
        return f"its options belong to different programs: {' and '.join(tool.whose for tool in tools)}"
    known = sorted({option for tool in tools for option in tool.options})
    near = difflib.get_close_matches(odd.lstrip("-").replace("-", "_"), known, 1)
    hint = f"did you mean {near[0]}?" if near else "leave it out"
    return f"'{shown(odd)}' is no option of {' or '.join(tool.whose for tool in tools)} that is known: {hint}"


def _is_option(word: str) -> bool:
    return word.startswith("-") and word.strip("-") != "" and not _is_number(word)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
