#!/usr/bin/python3
"""bench_pil.py -- the yardstick of bench_image: JPEG bytes to the normalised tensor by PIL and numpy.

usage: bench_pil.py PICTURE COUNT
Prints pictures per second of processor time and the FNV-1a-32 of the tensor's bytes. The steps are those of the
reference: resize in the file's mode, centre crop, RGB, /255, minus mean, over deviation.
"""
import io
import sys
import time

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32).reshape(3, 1, 1)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32).reshape(3, 1, 1)
SIZE = 224


def tensor(data):
    image = Image.open(io.BytesIO(data))
    w, h = image.size
    short, longer = min(w, h), max(w, h)
    other = int(SIZE * longer / short)
    image = image.resize((SIZE, other) if w <= h else (other, SIZE), Image.BICUBIC)
    left, top = round((image.width - SIZE) / 2), round((image.height - SIZE) / 2)
    image = image.crop((left, top, left + SIZE, top + SIZE)).convert("RGB")
    pixels = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
    return (pixels.astype(np.float32) / np.float32(255) - MEAN) / STD


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    count = int(sys.argv[2])
    for _ in range(5):
        out = tensor(data)
    start = time.process_time()
    for _ in range(count):
        out = tensor(data)
    rate = count / (time.process_time() - start)
    state = 2166136261
    for byte in out.tobytes():
        state = (state ^ byte) * 16777619 & 0xFFFFFFFF
    print(f"{rate:.3f}\t{state:08x}")


main()
