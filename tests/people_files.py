"""Weights files as people have them: other names, wrappers, layouts and layers than those of the published ones."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from torch_files import Rebuilt, tensor, torch_save
from weights_files import Params, flat, keras_name, torch_names, torch_state

Writer = Callable[[Path, Params], None]

OTHER = {"epoch": 3, "optimizer": {"state": {0: {"exp_avg": tensor(np.ones((2, 3, 3, 3), np.float32))}}}}
"""What checkpoints hold beside the network."""


def oihw(kernel: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def state(params: Params, name: Callable[[str], str] = str, before: str = "", **how: object) -> dict[str, Rebuilt]:
    """Make a state dict whose convolutions are called by `name` of ours."""
    found = {}
    for conv, leaves in params.items():
        found[f"{before}{name(conv)}.weight"] = tensor(oihw(leaves["kernel"]), **how)  # type: ignore[arg-type]
        found[f"{before}{name(conv)}.bias"] = tensor(leaves["bias"], **how)  # type: ignore[arg-type]
    return found


def gatys(path: Path, params: Params) -> None:
    torch_save(path, state(params))


def features(params: Params) -> Callable[[str], str]:
    return dict(torch_names(params)).__getitem__


def wrapped(path: Path, params: Params, around: tuple[str, ...], before: str = "") -> None:
    held: object = state(params, features(params), before)
    for name in reversed(around):
        held = {name: held, **OTHER}
    torch_save(path, held)


def parameters(path: Path, params: Params) -> None:
    torch_save(path, state(params, features(params), parameter=True, offset=7))


def numbered(path: Path, params: Params) -> None:
    torch_save(path, dict(enumerate(state(params).values())))


def module(path: Path, params: Params) -> None:
    """Write a network itself, as torch.save(model) does."""

    def made(name: str, **inside: object) -> Rebuilt:
        entries = {"training": False, "_parameters": {}, "_buffers": {}, "_modules": {}, **inside}
        return Rebuilt(f"torch.nn.modules.{name}", state=entries)

    convs = {}
    for conv, name in torch_names(params):
        leaves = {"weight": tensor(oihw(params[conv]["kernel"]), parameter=True), "bias": tensor(params[conv]["bias"])}
        convs[name.partition(".")[2]] = made("conv.Conv2d", _parameters=leaves)
    torch_save(path, made("container.Net", _modules={"features": made("container.Sequential", _modules=convs)}))


def lpips(path: Path, params: Params) -> None:
    """Call layers as the perceptual losses do, that cut the network into slices."""
    names = {conv: f"net.slice{conv[4]}.{i}" for i, conv in enumerate(params)}
    torch_save(path, state(params, names.__getitem__))


def split(path: Path, params: Params) -> None:
    """Call layers by names that tell nothing, in the order of the network."""
    names = {conv: f"{'zyxwvutsrqponmlkjihgfedcba'[i]}_part" for i, conv in enumerate(params)}
    torch_save(path, state(params, names.__getitem__))


def adain(path: Path, params: Params, mean: tuple[float, ...], scale: float = 255.0) -> None:
    """Write a Sequential whose first convolution, 1x1, makes the picture BGR, 0 to 255, minus the mean."""
    mixing = np.eye(3, dtype=np.float32)[::-1, :, None, None] * np.float32(scale)
    first = {"0.weight": tensor(np.ascontiguousarray(mixing)), "0.bias": tensor(-np.array(mean, np.float32))}
    names = {conv: str(2 + 3 * i) for i, conv in enumerate(params)}
    torch_save(path, {**first, **state(params, names.__getitem__)})


def flaxmodels(path: Path, params: Params) -> None:
    with h5py.File(path, "w") as file:
        for conv, leaves in params.items():
            file[f"{conv}/weight"], file[f"{conv}/bias"] = leaves["kernel"], leaves["bias"]
        file["fc6/weight"], file["fc6/bias"] = np.ones((20, 4)), np.ones(4)


def keras_layers(path: Path, layers: dict[str, dict[str, np.ndarray]], **attributes: object) -> None:
    """Write Keras' layout of layers that list their weights."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(list(layers), "S64")
        for name, value in attributes.items():
            file.attrs[name] = value
        for layer, arrays in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{leaf}:0" for leaf in arrays], "S64")
            for leaf, array in arrays.items():
                group[f"{layer}/{leaf}:0"] = array


def theano(path: Path, params: Params) -> None:
    """Write Keras 1's kernels for Theano: (c_out, c_in, 3, 3), of a true convolution, so mirrored."""
    layers = {}
    for conv, leaves in params.items():
        kernel = oihw(leaves["kernel"])[:, :, ::-1, ::-1]
        layers[keras_name(conv)] = {f"{keras_name(conv)}_W": kernel, f"{keras_name(conv)}_b": leaves["bias"]}
    keras_layers(path, layers)


def keras_zero(path: Path, params: Params) -> None:
    """Write what the first Keras did: layers and weights by number, Theano's kernels."""
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = 3 * len(params)
        for i, leaves in enumerate(params.values()):
            file.create_group(f"layer_{3 * i}").attrs["nb_params"] = 0
            group = file.create_group(f"layer_{3 * i + 1}")
            group["param_0"], group["param_1"] = oihw(leaves["kernel"])[:, :, ::-1, ::-1], leaves["bias"]
            group.attrs["nb_params"] = 2


def keras_caffe(path: Path, params: Params) -> None:
    keras_layers(path, {conv: dict(leaves) for conv, leaves in params.items()})


def slim(path: Path, params: Params) -> None:
    with path.open("wb") as file:
        names = {conv: f"vgg_16/conv{conv[4]}/{conv}" for conv in params}
        arrays = {f"{names[c]}/{k}": leaves[a] for c, leaves in params.items() for k, a in LEAVES.items()}
        np.savez(file, allow_pickle=False, **arrays)


LEAVES = {"weights": "kernel", "biases": "bias"}


def npz(path: Path, params: Params) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **flat(params), fc6_W=np.ones((20, 4)), fc6_b=np.ones(4))


def npy(path: Path, params: Params) -> None:
    with path.open("wb") as file:
        np.save(file, np.array(flat(params), object), allow_pickle=True)


def npy_of_pairs(path: Path, params: Params) -> None:
    """Write a dict of lists of kernel and bias, as tensorflow-vgg's."""
    with path.open("wb") as file:
        held = {conv: [leaves["kernel"], leaves["bias"]] for conv, leaves in params.items()}
        np.save(file, np.array(held, object), allow_pickle=True)


def lasagne(path: Path, params: Params) -> None:
    arrays = [a for leaves in params.values() for a in (oihw(leaves["kernel"]), leaves["bias"])]
    path.write_bytes(pickle.dumps({"param values": arrays, "synset words": ["cat"]}, protocol=2))


def channels_last(path: Path, params: Params) -> None:
    from safetensors.numpy import save_file

    kernels = {f"{c}.weight": np.ascontiguousarray(p["kernel"].transpose(3, 0, 1, 2)) for c, p in params.items()}
    save_file({**kernels, **{f"{c}.bias": p["bias"] for c, p in params.items()}}, path)


def half(path: Path, params: Params) -> None:
    from safetensors.numpy import save_file

    save_file({name: array.astype(np.float16) for name, array in torch_state(params).items()}, path)


FILES: dict[str, tuple[Writer, str | None]] = {
    "Gatys' vgg_conv.pth": (gatys, "caffe"),
    "model_state_dict": (partial(wrapped, around=("model_state_dict",)), "torchvision"),
    "state_dict of a parallel model": (partial(wrapped, around=("state_dict",), before="module."), "torchvision"),
    "model, net, state_dict": (partial(wrapped, around=("model", "net", "state_dict")), "torchvision"),
    "parameters": (parameters, "torchvision"),
    "keys that are numbers": (numbered, "caffe"),
    "a whole module": (module, "torchvision"),
    "slices": (lpips, "torchvision"),
    "names that tell nothing": (split, "torchvision"),
    "flaxmodels": (flaxmodels, "torchvision"),
    "Theano's Keras": (theano, None),
    "the first Keras": (keras_zero, None),
    "Keras with Caffe's names": (keras_caffe, None),
    "TF-Slim's names": (slim, "caffe"),
    ".npz": (npz, "caffe"),
    ".npy": (npy, "caffe"),
    ".npy of pairs": (npy_of_pairs, "caffe"),
    "Lasagne": (lasagne, "caffe"),
    "channels last": (channels_last, "torchvision"),
}
"""How to write each file, and the convention that must be said."""
