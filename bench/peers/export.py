"""export.py MODEL FOLDER N C [D] H W: what the rivals load, made from a model file of unet, and the logits in double
precision for IMAGE (FOLDER/image.f32, [n][c]...). A rival that cannot take the network leaves FOLDER/RIVAL.failed."""
import glob
import os
import subprocess
import sys

import numpy as np
import torch
from network import Network, torch_module, write_onnx


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


def openvino(folder, net, shape):
    import openvino

    openvino.save_model(openvino.convert_model(folder + "/net.onnx"), folder + "/net.xml", compress_to_fp16=False)


def mnn(folder, net, shape):
    """By the converter itself: its command line wrapper installs packages and sends a log of each conversion."""
    convert = "import sys, _tools; _tools.mnnconvert(sys.argv)"
    r = subprocess.run([sys.executable, "-c", convert, "-f", "ONNX", "--modelFile", folder + "/net.onnx", "--MNNModel",
                        folder + "/net.mnn", "--bizCode", "unet"], capture_output=True, text=True, cwd=folder)
    if r.returncode or not os.path.exists(folder + "/net.mnn"):
        raise RuntimeError(f"the converter ended with code {r.returncode} after: {last_line(r.stdout + r.stderr)}")


def ncnn(folder, net, shape):
    import pnnx

    module = torch_module(net, fold=True).eval()
    pnnx.export(module, folder + "/net.pt", (torch.zeros(1, *shape[1:]),), fp16=False)
    if not os.path.exists(folder + "/net.ncnn.param"):
        raise RuntimeError("pnnx wrote no network")
    for left in glob.glob(folder + "/net.p*"):
        os.remove(left)


def double_logits(folder, net, shape):
    module = torch_module(net, fold=False).eval().double()
    image = np.fromfile(folder + "/image.f32", np.float32).reshape(shape)
    with torch.inference_mode():
        logits = module(torch.from_numpy(image).double())[0]
    logits.contiguous().numpy().tofile(folder + "/logits.f64")


def main():
    model, folder = map(os.path.abspath, sys.argv[1:3])
    shape = [int(i) for i in sys.argv[3:]]
    net = Network(model)
    write_onnx(net, shape, folder + "/net.onnx")
    double_logits(folder, net, shape)
    for name, make in (("openvino", openvino), ("mnn", mnn), ("ncnn", ncnn)):
        try:
            make(folder, net, shape)
        except Exception as e:  # whatever a converter throws is its answer
            with open(f"{folder}/{name}.failed", "w") as f:
                f.write(last_line(str(e)))


if __name__ == "__main__":
    main()
