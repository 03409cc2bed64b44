#!/usr/bin/env python3
"""bench_peers.py -- other programs' times, on request: the yardsticks of the benches.

Reads one request a line from standard input and answers each with seconds, or "-" where what it needs is not
installed. Nothing is computed between requests, so a bench can alternate its own rounds with these.

    torch  image|text f32|bf16 BATCH THREADS     PyTorch, tower of CLIP ViT-B/32 (texts of 77 ids)
    torch  train      f32|bf16 BATCH THREADS     PyTorch, a whole training step of both towers with AdamW
    ort    image      f32|int8 BATCH THREADS     ONNX Runtime, the image tower (int8: dynamic quantisation)
    pixels PICTURE COUNT                         torchvision on one core, JPEG bytes to the normalised tensor

Weights are random: speed does not depend on them. A line "name version" for each package found comes first, then
an empty line.
"""
import io
import os
import sys
import tempfile
import time

os.environ.pop("OPENBLAS_CORETYPE", None)
SIDE, PATCH, WIDTH, LAYERS, EMBED = 224, 32, 768, 12, 512
TEXT_WIDTH, CONTEXT, VOCABULARY = 512, 77, 49408
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def tried(name):
    try:
        module = __import__(name)
        print(name, module.__version__)
        return module
    except ImportError:
        return None


torch = tried("torch")
torchvision = tried("torchvision")
ort = tried("onnxruntime")
print(flush=True)

if torch:
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, width, causal):
            super().__init__()
            self.heads, self.causal = width // 64, causal
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            b, t, c = x.shape
            q, k, v = self.qkv(self.ln_1(x)).view(b, t, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, c))
            h = self.fc(self.ln_2(x))
            return x + self.proj(h * torch.sigmoid(1.702 * h))

    class Image(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
            self.cls = nn.Parameter(torch.randn(WIDTH) * WIDTH**-0.5)
            self.position = nn.Parameter(torch.randn(1 + (SIDE // PATCH) ** 2, WIDTH) * WIDTH**-0.5)
            self.pre, self.post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.blocks = nn.Sequential(*[Block(WIDTH, False) for _ in range(LAYERS)])
            self.out = nn.Linear(WIDTH, EMBED, bias=False)

        def forward(self, x):
            x = self.conv(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls.expand(x.shape[0], 1, -1), x], 1) + self.position
            return self.out(self.post(self.blocks(self.pre(x))[:, 0]))

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Embedding(VOCABULARY, TEXT_WIDTH)
            self.position = nn.Parameter(torch.randn(CONTEXT, TEXT_WIDTH) * 0.01)
            self.blocks = nn.Sequential(*[Block(TEXT_WIDTH, True) for _ in range(LAYERS)])
            self.final, self.out = nn.LayerNorm(TEXT_WIDTH), nn.Linear(TEXT_WIDTH, EMBED, bias=False)

        def forward(self, ids):
            x = self.final(self.blocks(self.token(ids) + self.position))
            return self.out(x[torch.arange(len(ids)), ids.argmax(-1)])


made = {}


def once(key, make):
    """What `make` makes, kept for the next request."""
    if key not in made:
        made[key] = make()
    return made[key]


def ids(batch):
    x = torch.randint(300, 40000, (batch, CONTEXT))
    x[:, 0], x[:, -1] = VOCABULARY - 2, VOCABULARY - 1
    return x


def torch_run(what, precision, batch):
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    if what == "train":
        image, text = once("train image", Image), once("train text", Text)
        both = nn.ModuleList([image, text])
        adamw = once("train adamw", lambda: torch.optim.AdamW(both.parameters(), 5e-4, (0.9, 0.98), 1e-6, 0.2))
        pictures, texts = once(f"pixels {batch}", lambda: torch.randn(batch, 3, SIDE, SIDE)), once(
            f"ids {batch}", lambda: ids(batch))

        def step():
            adamw.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                u, v = image(pictures), text(texts)
            logits = 14.3 * F.normalize(u.float(), dim=-1) @ F.normalize(v.float(), dim=-1).T
            truth = torch.arange(batch)
            ((F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2).backward()
            adamw.step()

        return step
    tower = once(f"{what} {precision}", lambda: (Image() if what == "image" else Text()).to(dtype).eval())
    given = once(f"{what} {precision} {batch}",
                 lambda: torch.randn(batch, 3, SIDE, SIDE).to(dtype) if what == "image" else ids(batch))

    def encode():
        with torch.inference_mode():
            tower(given)

    return encode


def ort_session(precision, threads):
    folder = once("ort folder", tempfile.TemporaryDirectory).name
    plain = os.path.join(folder, "image.onnx")
    if not os.path.exists(plain):
        batch = torch.export.Dim("batch", min=1, max=1024)
        program = torch.onnx.export(Image().eval(), (torch.randn(2, 3, SIDE, SIDE),), input_names=["x"],
                                    dynamic_shapes=({0: batch},), dynamo=True, verbose=False)
        program.save(plain)
    path = plain
    if precision == "int8":
        from onnxruntime.quantization import quantize_dynamic

        path = os.path.join(folder, "int8.onnx")
        if not os.path.exists(path):
            quantize_dynamic(plain, path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def ort_run(precision, batch, threads):
    import numpy as np

    session = once(f"ort {precision} {threads}", lambda: ort_session(precision, threads))
    x = np.random.default_rng(1).standard_normal((batch, 3, SIDE, SIDE), np.float32)
    return lambda: session.run(None, {"x": x})


def pixels_run(path, count):
    from PIL import Image as Pillow
    from torchvision import transforms as T

    with open(path, "rb") as f:
        data = f.read()
    steps = T.Compose([T.Resize(SIDE, T.InterpolationMode.BICUBIC), T.CenterCrop(SIDE),
                       lambda im: im.convert("RGB"), T.ToTensor(), T.Normalize(MEAN, STD)])

    def run():
        for _ in range(count):
            steps(Pillow.open(io.BytesIO(data)))

    return run


def answer(words):
    kind, *rest = words
    if kind == "pixels" and torchvision:
        torch.set_num_threads(1)
        return once(" ".join(words), lambda: pixels_run(rest[0], int(rest[1]))), time.process_time
    if kind in ("torch", "ort") and torch and (kind == "torch" or ort):
        what, precision, batch, threads = rest[0], rest[1], int(rest[2]), int(rest[3])
        torch.set_num_threads(threads)
        run = torch_run(what, precision, batch) if kind == "torch" else ort_run(precision, batch, threads)
        return run, time.perf_counter
    return None, None


def main():
    warm = set()
    for line in sys.stdin:
        words = line.split()
        try:
            run, clock = answer(words)
            if run and line not in warm:
                run()
                warm.add(line)
            if run:
                start = clock()
                run()
        except Exception as e:  # a peer that fails is a missing yardstick, not a broken bench
            print(f"bench_peers.py: {line.strip()}: {e}", file=sys.stderr)
            run = None
        print(f"{clock() - start:.6f}" if run else "-", flush=True)


main()
