#!/usr/bin/python3
"""pixel_baseline.py -- the nearest training picture by pixels lends its folder and its title.

usage: pixel_baseline.py CORPUS

Top-1 of the folder of the nearest picture (16 x 16 RGB thumbnails, Euclidean); and retrieval of a test title by
the words that it shares with the lent title, ties in the worst order. What any model has to beat.
"""
import json
import pathlib
import re
import sys

from PIL import Image


def rows(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def thumb(corpus, row):
    with Image.open(corpus / row["image"]) as p:
        return p.convert("RGB").resize((16, 16)).tobytes()


def nearest(x, others):
    return min(range(len(others)), key=lambda i: sum((a - b) ** 2 for a, b in zip(x, others[i])))


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def main():
    corpus = pathlib.Path(sys.argv[1])
    train, test = rows(corpus / "train.jsonl"), rows(corpus / "test.jsonl")
    try:
        import numpy as np
        a = np.array([list(thumb(corpus, r)) for r in train], np.float32)
        b = np.array([list(thumb(corpus, r)) for r in test], np.float32)
        distance = (b * b).sum(1)[:, None] - 2 * b @ a.T + (a * a).sum(1)[None]
        found = distance.argmin(1).tolist()
        labelled = [i for i, r in enumerate(train) if r["label"]]
        found_label = distance[:, labelled].argmin(1).tolist()
        found_label = [labelled[i] for i in found_label]
    except ImportError:
        a = [thumb(corpus, r) for r in train]
        found = [nearest(thumb(corpus, r), a) for r in test]
        found_label = found
    pairs = [(r, train[found_label[i]]) for i, r in enumerate(test) if r["label"]]
    print("pixel baseline: top-1 %.4f" % (sum(r["label"] == t["label"] for r, t in pairs) / max(1, len(pairs))))
    lent = [words(train[i]["captions"][0]) for i in found]
    titles = [words(r["captions"][0]) for r in test]
    ranks = []
    for q, title in enumerate(titles):  # text -> picture
        score = [len(title & w) / (1 + len(title | w)) for w in lent]
        ranks.append(sum(s >= score[q] for s in score))
    for k in (1, 5, 10):
        print("pixel baseline: text to picture R@%d %.4f" % (k, sum(r <= k for r in ranks) / len(ranks)))


if __name__ == "__main__":
    main()
