"""A network read from a model file of unet: its graph, for ONNX and for PyTorch."""
import json
import struct


class Network:
    """nodes: (op, name, inputs, outputs, attributes); weights: name -> array of the file; ids as in the file."""

    def __init__(self, path):
        with open(path, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        self.path = path
        self.graph = json.loads(header["__metadata__"]["unet.graph"])
        self.params = [p["name"] for p in self.graph["params"]]
        self.first_param = len(self.graph["inputs"])
        self.in_channels = self.graph["inputs"][0]["channels"]
        self.dims = max(len(p["dims"]) for p in self.graph["params"]) - 2
        self.nodes, value = [], self.first_param + len(self.params)
        for n in self.graph["nodes"]:
            outputs = 3 if n["op"] == "norm" else 1
            self.nodes.append((n["op"], n["name"], n["in"], value, n["attr"]))
            value += outputs
        self.outputs = self.graph["outputs"]  # logits, probabilities

    def param(self, value):
        return self.params[value - self.first_param]

    def axes(self, attr, key):
        return attr[key][-self.dims:]


def fold_norms(net, weights):
    """Inference batch norms folded into the convolutions before them: name of a convolution -> (weight, bias)."""
    import numpy as np

    folded, producer = {}, {}
    for op, name, ins, out, attr in net.nodes:
        producer[out] = (op, name, ins)
        if op != "norm" or producer[ins[0]][0] != "conv":
            continue
        conv = producer[ins[0]]
        gamma, beta, mean, var = (weights[net.param(i)].astype(np.float64) for i in ins[1:])
        w = weights[net.param(conv[2][1])].astype(np.float64)
        bias = weights[net.param(conv[2][2])].astype(np.float64) if len(conv[2]) > 2 else 0.0
        scale = gamma / np.sqrt(var + attr["eps"])
        folded[conv[1]] = (w * scale.reshape(-1, *[1] * (w.ndim - 1)), beta + (bias - mean) * scale)
    return folded


def write_onnx(net, shape, path):
    """shape: n, c, then the extents. Inputs and outputs: image -> logits, probabilities."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from safetensors.numpy import load_file

    weights, nodes, name_of = load_file(net.path), [], {0: "image"}
    for i, name in enumerate(net.params):
        name_of[net.first_param + i] = name
    kinds = {"conv": "Conv", "conv_transpose": "ConvTranspose", "max_pool": "MaxPool", "concat": "Concat",
             "norm": "BatchNormalization", "softmax": "Softmax"}
    for op, name, ins, out, attr in net.nodes:
        more = {}
        if op in ("conv", "conv_transpose"):
            more = {"kernel_shape": net.axes(attr, "k"), "strides": net.axes(attr, "stride"),
                    "pads": net.axes(attr, "pad") + net.axes(attr, "pad_end")}
        elif op == "max_pool":
            more = {"kernel_shape": net.axes(attr, "k"), "strides": net.axes(attr, "stride")}
        elif op in ("concat", "softmax"):
            more = {"axis": 1}
        elif op == "norm":
            more = {"epsilon": attr["eps"]}
        name_of[out] = {net.outputs[0]: "logits", net.outputs[1]: "probabilities"}.get(out, name + ".out")
        relu = op == "norm" and attr["act"] == "relu"
        nodes.append(helper.make_node(kinds[op], [name_of[i] for i in ins],
                                      [name_of[out] + ".raw" if relu else name_of[out]], name, **more))
        if relu:
            nodes.append(helper.make_node("Relu", [name_of[out] + ".raw"], [name_of[out]], name + ".relu"))
    graph = helper.make_graph(
        nodes, "unet", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("logits", "probabilities")],
        [numpy_helper.from_array(weights[n], n) for n in net.params])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


def torch_module(net, fold):
    """A torch.nn.Module: image -> logits, probabilities. fold: batch norms of inference folded into convolutions."""
    import numpy as np
    import torch
    from safetensors.numpy import load_file
    from torch import nn

    weights = load_file(net.path)
    folded = fold_norms(net, weights) if fold else {}
    three = net.dims == 3
    kinds = {"conv": nn.Conv3d if three else nn.Conv2d, "norm": nn.BatchNorm3d if three else nn.BatchNorm2d,
             "conv_transpose": nn.ConvTranspose3d if three else nn.ConvTranspose2d,
             "max_pool": nn.MaxPool3d if three else nn.MaxPool2d}

    def tensor(a):
        return torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))

    def layer(op, name, ins, attr):
        if op in ("conv", "conv_transpose"):
            w = weights[net.param(ins[1])]
            b = weights[net.param(ins[2])] if len(ins) > 2 else None
            w, b = folded.get(name, (w, b))
            co, ci = w.shape[:2] if op == "conv" else w.shape[1::-1]
            more = {"padding": tuple(net.axes(attr, "pad"))}
            m = kinds[op](ci, co, tuple(net.axes(attr, "k")), tuple(net.axes(attr, "stride")), bias=b is not None, **more)
            m.weight.data = tensor(w)
            if b is not None:
                m.bias.data = tensor(b)
        elif op == "norm":
            m = kinds[op](len(weights[net.param(ins[1])]), attr["eps"], attr["momentum"])
            for field, i in zip(("weight", "bias", "running_mean", "running_var"), ins[1:]):
                getattr(m, field).data = tensor(weights[net.param(i)])
        else:
            m = kinds[op](tuple(net.axes(attr, "k")), tuple(net.axes(attr, "stride")))
        return m

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = []  # operator, layer, inputs, output
            for op, name, ins, out, attr in net.nodes:
                if op in ("concat", "softmax"):
                    self.steps.append((op, None, tuple(ins), out))
                    continue
                relu = op == "norm" and attr["act"] == "relu"
                key = name.replace(".", "_")
                if op == "norm" and fold:
                    self.steps.append(("relu" if relu else "same", None, (ins[0],), out))
                    continue
                self.add_module(key, layer(op, name, ins, attr))
                self.steps.append(("layer+relu" if relu else "layer", key, (ins[0],), out))

        def forward(self, image):
            v = {0: image}
            for op, key, ins, out in self.steps:
                if op == "concat":
                    y = torch.cat([v[i] for i in ins], 1)
                elif op == "softmax":
                    y = torch.softmax(v[ins[0]], 1)
                elif key:
                    y = getattr(self, key)(v[ins[0]])
                else:
                    y = v[ins[0]]
                v[out] = torch.relu_(y) if op.endswith("relu") else y
            return v[net.outputs[0]], v[net.outputs[1]]

    return Module()


def tools():
    """Makes the definitions of tools/ importable."""
    import os
    import sys

    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
    if folder not in sys.path:
        sys.path.append(folder)


def variant_module(path, definition):
    """The definition of tools/torch_variants.py, or of tools/torch_encoders.py, with the weights of a model file:
    image -> logits and those of deep supervision."""
    import torch
    from safetensors.numpy import load_file
    from torch import nn

    tools()
    from torch_encoders import Encoded
    from torch_variants import Variant

    torch.set_default_dtype(torch.float32)  # the golden values are made in double

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.definition = (Encoded if "encoder" in definition else Variant)({"model": definition})
            for name, value in load_file(path).items():
                key, value = name.replace(".", "_"), torch.from_numpy(value.copy())
                if "running_" in name:
                    self.register_buffer(key, value)
                    self.definition.buffers[name] = value
                else:
                    self.definition.p[name] = nn.Parameter(value)
                    self.register_parameter(key, self.definition.p[name])

        def forward(self, image):
            self.definition.training = self.training
            return self.definition.all(image)

    return Module()


def targets_of(target, outputs):
    """The mask for each output: its middle where the logits lost their border, every k-th pixel for smaller outputs."""
    tools()
    from torch_variants import nearest

    size = outputs[0].shape[2:]
    cut = tuple(slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(target.shape[1:], size))
    middle = target[(slice(None), *cut)]
    return [nearest(middle, z.shape[2:]).contiguous() for z in outputs]
