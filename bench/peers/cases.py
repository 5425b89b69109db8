"""The cases: networks, extents, and what is done with them. docs/benchmarks.md has their results."""
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    name: str
    kind: str  # "infer" or "train"
    filters: int
    batch: int
    extent: tuple  # h, w or d, h, w of the pictures
    channels: int
    depth: int = 4
    set: str = "list"  # "list", "variant", "seed" or "quick"
    variant: str = ""  # of VARIANTS

    @property
    def grid(self):
        return 2**self.depth * VARIANTS.get(self.variant, {}).get("stem_size", 1)

    @property
    def padded(self):
        """Extents the network runs at: pictures are mirrored at the edge up to a multiple of the grid, for all alike. A
        network without padding has extents that fit it."""
        if self.model.get("padding") == "valid":
            return self.extent
        return tuple((e + self.grid - 1) // self.grid * self.grid for e in self.extent)

    @property
    def shape(self):
        return (self.batch, self.channels, *self.padded)

    @property
    def model(self):
        """The section `model` of the configuration."""
        return {"dims": len(self.extent), "in_channels": self.channels, "classes": 2, "depth": self.depth,
                "base_filters": self.filters, "norm": "batch", "head": "softmax", **VARIANTS.get(self.variant, {})}

    def keys(self, seed):
        """The configuration, as `unet train` would take it."""
        patch = ",".join(str(e) for e in self.padded)
        return [*(f"model.{key}={value}" for key, value in self.model.items()), f"train.seed={seed}", f"train.batch={self.batch}",
                f"train.ghost_batch={self.batch}", f"train.patch=[{patch}]", "train.steps=1000", "loss.terms=[ce]",
                "loss.class_weights=none", "optimiser.name=adamw", f"optimiser.lr={LR}",
                f"optimiser.weight_decay={WEIGHT_DECAY}", "optimiser.clip_norm=0", "optimiser.ema_decay=0"]


LR, WEIGHT_DECAY = 0.001, 0.01
# The section `model` of what docs/architectures.md has; PyTorch runs the definitions of tools/torch_variants.py and
# torch_encoders.py. nnunet, classic2015, *_deep, large and huge are presets, classic2015 without its dropout, whose
# draws would differ.
VARIANTS = {
    "residual": {"block": "residual"},
    "attention": {"gate": "attention"},
    "unetpp": {"decoder": "nested"},
    "dense": {"block": "dense"},
    "r2u": {"block": "recurrent"},
    "light": {"block": "separable"},
    "inverted": {"block": "inverted"},
    "se": {"recalibrate": "se"},
    "unet3p": {"decoder": "full"},
    "scse": {"recalibrate": "scse"},
    "aspp": {"bottom": "aspp"},
    "dilated": {"bottom": "dilated"},
    "unetpp_deep": {"decoder": "nested", "supervision": [1, 1, 1]},
    "unet3p_deep": {"decoder": "full", "supervision": [1, 1, 1, 1]},
    "nnunet": {"norm": "instance", "activation": "leaky_relu", "activation_slope": 0.01, "downsample": "conv",
               "bias": "on", "max_filters": 512, "supervision": [0.5, 0.25, 0.125, 0.0625]},
    "classic2015": {"padding": "valid", "norm": "none"},
    "large": {"stem": "space_to_depth", "stem_size": 2},
    "huge": {"stem": "patchify", "stem_size": 4},
    "vgg16": {"encoder": "vgg16"},
    "resnet34": {"encoder": "resnet34"},
    "mobilenet_v2": {"encoder": "mobilenet_v2"},
    "efficientnet_b0": {"encoder": "efficientnet_b0"},
}
# Most have 16 filters, four poolings and four patches of 96x96. Otherwise: what a paper fixes, all poolings of an
# encoder, and pictures that a stem makes 96x96.
VARIANT_SIZE = {"filters": 16, "batch": 4, "extent": (96, 96), "channels": 3}
VARIANT_SIZES = {
    "nnunet": {"filters": 32},
    "classic2015": {"filters": 64, "batch": 1, "extent": (284, 284)},
    "large": {"extent": (192, 192)},
    "huge": {"extent": (384, 384)},
    "resnet34": {"depth": 5},
    "mobilenet_v2": {"depth": 5},
    "efficientnet_b0": {"depth": 5},
}


def named(kind, filters, batch, extent, channels, **more):
    size = "x".join(str(i) for i in (*extent, channels))
    what = f"{kind}-{more['variant']}" if "variant" in more else kind
    return Case(f"{what}-{filters}-{size}" + (f"-b{batch}" if batch > 1 else ""), kind, filters, batch, extent, channels,
                **more)


LIST = [
    named("infer", 64, 1, (256, 256), 3),
    named("infer", 64, 1, (512, 512), 1),
    named("infer", 32, 1, (512, 512), 3),
    named("infer", 16, 1, (512, 512), 3),
    named("infer", 16, 1, (1024, 1024), 1),
    named("infer", 32, 1, (97, 131), 3),
    named("infer", 32, 8, (128, 128), 3),
    named("infer", 32, 1, (96, 96, 96), 1, depth=3),
    named("infer", 32, 1, (64, 128, 128), 2, depth=3),
    named("infer", 32, 1, (40, 56, 40), 1, depth=3),
    named("train", 32, 4, (256, 256), 3),
    named("train", 64, 2, (256, 256), 3),
    named("train", 16, 4, (512, 512), 1),
    named("train", 16, 8, (192, 192), 3),
    named("train", 32, 9, (40, 56, 40), 1, depth=3),
]
LIST += [named("train", **{**VARIANT_SIZE, **VARIANT_SIZES.get(v, {})}, set="variant", variant=v) for v in VARIANTS]
QUICK = [
    named("infer", 16, 1, (128, 128), 3, set="quick"),
    named("infer", 8, 1, (16, 32, 32), 1, depth=3, set="quick"),
]


def drawn(seed):
    """Five further inferences: three pictures, two volumes."""
    r, cases = random.Random(seed), []
    while len(cases) < 5:
        volume = len(cases) >= 3
        extent = tuple(r.randrange(24, 97) for _ in range(3)) if volume else tuple(r.randrange(120, 601) for _ in range(2))
        filters = r.choice((16, 24, 32) if volume else (16, 24, 32, 48, 64))
        case = named("infer", filters, r.choice((1, 1, 2)), extent, r.choice((1, 2, 3, 4)), depth=3 if volume else 4,
                     set="seed")
        if case.name not in [c.name for c in LIST + cases]:
            cases.append(case)
    return cases
