"""One rival in a process of its own, with the protocol of ours.c:

    rivals.py RIVAL FOLDER IMAGE OUTPUT THREADS N C [D] H W      inference; IMAGE: float32 [n][c]...; OUTPUT: logits
    rivals.py RIVAL FOLDER IMAGE TARGET THREADS N C [D] H W      training (torch-train-...); TARGET: int64 [n]...

FOLDER holds what export.py made of the network. After the first result a line of JSON; then lines on standard input are
obeyed: "run COUNT" (times), "peak" (largest resident memory).
"""
import json
import sys
import time


def status_kib(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))


class OnnxRuntime:
    def __init__(self):
        import onnxruntime

        self.lib = onnxruntime
        self.version = onnxruntime.__version__

    def load(self, folder, shape, threads):
        o = self.lib.SessionOptions()
        o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
        o.graph_optimization_level = self.lib.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.log_severity_level = 3
        self.session = self.lib.InferenceSession(folder + "/net.onnx", o, providers=["CPUExecutionProvider"])

    def run(self, image):
        return self.session.run(["logits", "probabilities"], {"image": image})


class OpenVino:
    def __init__(self):
        import openvino

        self.lib = openvino
        self.version = openvino.__version__.split("-")[0]

    def load(self, folder, shape, threads):
        core = self.lib.Core()
        self.compiled = core.compile_model(folder + "/net.xml", "CPU", {
            "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False})
        self.request = self.compiled.create_infer_request()

    def run(self, image):
        r = self.request.infer({0: image})
        return r[0], r[1]


class Mnn:
    def __init__(self):
        import MNN

        self.lib = MNN
        self.version = MNN.version() if callable(getattr(MNN, "version", None)) else MNN.__version__

    def load(self, folder, shape, threads):
        self.net = self.lib.Interpreter(folder + "/net.mnn")
        self.session = self.net.createSession({"backend": "CPU", "precision": "high", "numThread": threads})
        self.input = self.net.getSessionInput(self.session)
        self.shape = shape

    def fetch(self, name):
        t = self.net.getSessionOutput(self.session, name)
        host = self.lib.Tensor(t.getShape(), self.lib.Halide_Type_Float, self.lib.Tensor_DimensionType_Caffe)
        t.copyToHostTensor(host)
        return host.getNumpyData().reshape(t.getShape()).copy()

    def run(self, image):
        host = self.lib.Tensor(self.shape, self.lib.Halide_Type_Float, image, self.lib.Tensor_DimensionType_Caffe)
        self.input.copyFrom(host)
        self.net.runSession(self.session)
        return self.fetch("logits"), self.fetch("probabilities")


class Ncnn:
    def __init__(self):
        import ncnn

        self.lib = ncnn
        self.version = ncnn.__version__

    def load(self, folder, shape, threads):
        self.net = self.lib.Net()
        o = self.net.opt
        o.num_threads = threads
        o.use_fp16_packed = o.use_fp16_storage = o.use_fp16_arithmetic = o.use_bf16_storage = False
        if self.net.load_param(folder + "/net.ncnn.param") or self.net.load_model(folder + "/net.ncnn.bin"):
            raise RuntimeError("the network cannot be loaded")

    def run(self, image):
        import numpy as np

        results = ([], [])
        for one in image:  # ncnn has no batches
            e = self.net.create_extractor()
            e.input("in0", self.lib.Mat(one).clone())
            for name, r in zip(("out0", "out1"), results):
                code, m = e.extract(name)
                if code:
                    raise RuntimeError(f"extract({name}) returned {code}")
                r.append(np.array(m))
        return np.stack(results[0]), np.stack(results[1])


class Torch:
    """form: eager, channels_last or compile (which is channels_last too)."""

    def __init__(self, form):
        import torch

        self.lib = torch
        self.version = torch.__version__
        self.form = form

    def layout(self, shape):
        if self.form == "eager":
            return self.lib.contiguous_format
        return self.lib.channels_last if len(shape) == 4 else self.lib.channels_last_3d

    def load(self, folder, shape, threads):
        from network import Network, torch_module

        self.lib.set_num_threads(threads)
        self.format = self.layout(shape)
        self.net = torch_module(Network(folder + "/net.safetensors"), fold=True).eval().to(memory_format=self.format)
        if self.form == "compile":
            import torch._inductor.config as inductor

            inductor.freezing = True
            self.net = self.lib.compile(self.net)

    def run(self, image):
        with self.lib.inference_mode() if self.form != "compile" else self.lib.no_grad():
            x = self.lib.from_numpy(image).contiguous(memory_format=self.format)
            return [y.contiguous().numpy() for y in self.net(x)]


class TorchTrain(Torch):
    """form: eager, channels_last, compile, bf16 (channels_last under autocast) or bf16_compile."""

    def load(self, folder, shape, threads):
        import torch
        from network import Network, torch_module, variant_module

        settings, path = json.load(open(folder + "/settings.json")), folder + "/net.safetensors"
        self.format = self.layout(shape)
        net = variant_module(path, settings["variant"]) if settings["variant"] else torch_module(Network(path), fold=False)
        torch.set_num_threads(threads)
        net = net.train().to(memory_format=self.format)
        decay = [p for p in net.parameters() if p.ndim > 1]
        rest = [p for p in net.parameters() if p.ndim == 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decay, "weight_decay": settings["weight_decay"]}, {"params": rest, "weight_decay": 0}],
            lr=settings["lr"], betas=(0.9, 0.999), eps=1e-8, fused=True)
        # in one piece: a definition that breaks the graph would be compiled in many small ones, which are slow
        self.net = torch.compile(net, fullgraph=True) if "compile" in self.form else net
        self.loss, self.targets = 0, None
        supervision = (settings["variant"] or {}).get("supervision", [])
        self.weights = [w / (1 + sum(supervision)) for w in (1, *supervision)]

    def step(self, image, target):
        from network import targets_of

        torch = self.lib
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in self.form):
            logits = self.net(image)[:len(self.weights)]
            if not self.targets:
                self.targets = targets_of(target, logits)
            loss = sum(w * torch.nn.functional.cross_entropy(z.float(), t)
                       for w, z, t in zip(self.weights, logits, self.targets))
        loss.backward()
        self.optimiser.step()
        self.loss = loss.item()


RIVALS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "mnn": Mnn, "ncnn": Ncnn,
          "torch-eager": lambda: Torch("eager"), "torch-channels_last": lambda: Torch("channels_last"),
          "torch-compile": lambda: Torch("compile")}
TRAINERS = {"torch-train-" + f: f for f in ("eager", "channels_last", "compile", "bf16", "bf16_compile")}


def obey(run, loss):
    for line in sys.stdin:
        word = line.split()
        if word[0] == "peak":
            print(json.dumps({"peak_kib": status_kib("VmHWM")}), flush=True)
            continue
        ms = []
        for _ in range(int(word[1])):
            began = time.perf_counter()
            run()
            ms.append(round(1e3 * (time.perf_counter() - began), 4))
        print(json.dumps({"ms": ms, "loss": loss()}), flush=True)


def main():
    rival, folder, image_file, other, threads = sys.argv[1:6]
    shape = [int(i) for i in sys.argv[6:]]
    import numpy as np

    image = np.fromfile(image_file, np.float32).reshape(shape)
    r = TorchTrain(TRAINERS[rival]) if rival in TRAINERS else RIVALS[rival]()
    import_kib, began = status_kib("VmRSS"), time.perf_counter()
    r.load(folder, shape, int(threads))
    loaded = time.perf_counter()
    if rival in TRAINERS:
        x = r.lib.from_numpy(image).contiguous(memory_format=r.format)
        t = r.lib.from_numpy(np.fromfile(other, np.int64).reshape(shape[:1] + shape[2:]))
        run, loss = (lambda: r.step(x, t)), (lambda: r.loss)
        run()
    else:
        run, loss = (lambda: r.run(image)), (lambda: 0)
        np.ascontiguousarray(run()[0], dtype=np.float32).tofile(other)
    first = time.perf_counter()
    print(json.dumps({"version": r.version, "load_ms": 1e3 * (loaded - began), "first_ms": 1e3 * (first - loaded),
                      "import_kib": import_kib, "loss": loss()}), flush=True)
    obey(run, loss)


if __name__ == "__main__":
    main()
