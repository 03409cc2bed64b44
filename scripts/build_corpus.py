#!/usr/bin/python3
"""build_corpus.py -- a real corpus of captioned pictures for the default model, from free packages.

usage: build_corpus.py OUT [--size 96] [--cache DIR]

Fetches, with the system's own package clients, Debian's openclipart-png and openclipart-svg (pictures;
titles, descriptions and keywords; folders as classes; public domain) and the npm packages
emoji-datasource-google and emoji-datasource-twitter (colour emoji, names, categories). For training alone (added.jsonl) it
adds drawings whose file names say what they show: Debian's tango-icon-theme (public domain) and from npm
fluent-emoji-flat, flat-color-icons (both MIT), game-icons (CC BY 3.0) and maki (CC0). Writes

    OUT/pictures/*.png          RGB over white, longer side --size, centred on a square
    OUT/{train,added,validation,test}.jsonl   {"image", "captions": [...], "label", "family", "source"}
    OUT/classes.txt             class names of the zero-shot task, one a line

No leak between the parts: pictures are joined into families (both styles of one emoji, one subject in
several versions, near-duplicates by a difference hash, the same title), and a family lies in one part as a
whole, decided by a hash of its name. The additions never enter validation or test, nor training when their
family is held out there. Needs python3 with Pillow and rsvg-convert; nothing else here does.
"""
import argparse
import collections
import hashlib
import html
import io
import json
import pathlib
import re
import subprocess
import tarfile
import xml.etree.ElementTree as ET

from PIL import Image

Image.MAX_IMAGE_PIXELS = 200_000_000
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
# Folders that say nothing about what a picture shows, or that repeat one drawing a thousand times.
NO_CLASS = {"unsorted", "special", "logos", "buttons"}
AT_MOST_PER_FOLDER = 400
EMPTY_TITLE = re.compile(r"^(untitled|title|unknown|part of the|clip ?art by|.* collection\b)|\d{3,}", re.I)
EMOJI = {"google": "emoji-datasource-google", "twitter": "emoji-datasource-twitter"}
ICONS = ("fluent-emoji-flat", "game-icons", "flat-color-icons", "maki")
ADDED = {"tango", *ICONS}  # train alone
NPM = [package + "@16.0.0" for package in EMOJI.values()] + ["unicode-emoji-json@0.9.0"]
NPM += [f"@iconify-json/{name}@{version}" for name, version in zip(ICONS, ("1.2.6", "1.2.4", "1.2.3", "1.2.5"))]
TANGO = {"actions": "action", "apps": "application", "categories": "category", "devices": "computer device",
         "emblems": "emblem", "emotes": "smiley", "mimetypes": "file", "places": "folder", "status": "status"}


def fetch(cache):
    cache.mkdir(parents=True, exist_ok=True)
    for package in ("openclipart-png", "openclipart-svg", "tango-icon-theme"):
        if not list(cache.glob(package + "_*.deb")):
            subprocess.run(["apt-get", "download", package], cwd=cache, check=True, stdout=subprocess.DEVNULL)
        deb = sorted(cache.glob(package + "_*.deb"))[-1]
        if not (cache / package).exists():
            subprocess.run(["dpkg-deb", "-x", str(deb), str(cache / package)], check=True)
    for package in NPM:
        if not archive_of(cache, package.rpartition("@")[0]):
            subprocess.run(["npm", "pack", "--silent", package], cwd=cache, check=True, stdout=subprocess.DEVNULL)


def archive_of(cache, package):
    """The packed npm package, or None: npm writes @a/b as a-b-VERSION.tgz."""
    found = sorted(cache.glob(package.removeprefix("@").replace("/", "-") + "-[0-9]*.tgz"))
    return found[-1] if found else None


def member_of(cache, package, name):
    with tarfile.open(archive_of(cache, package)) as tar:
        return json.load(tar.extractfile("package/" + name))


def drawn(svg, size):
    """An SVG's pixels, over white: an outline in the current colour is black then."""
    png = subprocess.run(["rsvg-convert", "-w", str(size), "-h", str(size), "--keep-aspect-ratio", "-b", "white"],
                         input=svg, capture_output=True, check=True).stdout
    return Image.open(io.BytesIO(png))


def words(text):
    return re.sub(r"\s+", " ", html.unescape(text or "").replace("_", " ")).strip()


def metadata(svg):
    """Title, description and keywords of an SVG's RDF block; empty where it has none or is broken."""
    title, description, keywords = "", "", []
    try:
        for _, work in ET.iterparse(svg):
            if not work.tag.endswith("}Work"):
                continue
            title = words(work.findtext(DC + "title"))
            description = words(work.findtext(DC + "description"))
            keywords = [words(li.text) for li in work.iter(RDF + "li")]
            break
    except ET.ParseError:
        pass
    return title, description, [k for k in keywords if k]


def subject_of(text):
    """What versions of one subject share: the title without numbers and version words."""
    text = re.sub(r"\b(version|variant|style|icon|clip ?art|remix|the|a|an)\b|[^a-z ]", " ", text.lower())
    return " ".join(text.split())


def captions_of(title, description, keywords, folder):
    out = []
    if title:
        out.append(title)
    names = [w for w in dict.fromkeys(k.lower() for k in keywords) if len(w) < 30][:8]
    if names:
        out.append(", ".join(names))
        if title:
            out.append(f"{title}: {', '.join(names[:4])}")
    if description and description.lower() != title.lower() and len(description) < 200:
        out.append(description)
    out += [f"{title or names and names[0] or folder}, {folder}", folder]
    return list(dict.fromkeys(c for c in out if c))


def clipart(cache):
    root = cache / "openclipart-png/usr/share/openclipart/png"
    vectors = cache / "openclipart-svg/usr/share/openclipart/svg"
    count = collections.Counter()
    # A hash decides who goes first, so that a full folder keeps a fair sample of itself.
    files = sorted(root.rglob("*.png"), key=lambda p: hashlib.sha256(p.name.encode()).digest())
    for png in files:
        where = png.relative_to(root)
        folder = where.parts[:-1]
        if count[folder] >= AT_MOST_PER_FOLDER:
            continue
        title, description, keywords = metadata(vectors / where.with_suffix(".svg"))
        stem = words(re.sub(r"[-_]?(ganson|architetto|\d+)$", "", png.stem.replace("-", " ")))
        if not title or EMPTY_TITLE.search(title):
            title = stem
        count[folder] += 1
        label = words(folder[-1] if len(folder) > 1 else folder[0])
        yield {
            "open": lambda p=png: Image.open(p),
            "name": "clipart-" + "-".join(where.with_suffix("").parts),
            "captions": captions_of(title, description, keywords, label),
            "label": None if folder[0] in NO_CLASS else label,
            "subject": subject_of(title) or subject_of(stem),
            "source": "openclipart",
        }


def emoji(cache):
    for style, package in EMOJI.items():
        with tarfile.open(archive_of(cache, package)) as tar:
            members = {m.name: m for m in tar.getmembers()}
            for e in json.load(tar.extractfile("package/emoji.json")):
                path = f"package/img/{style}/64/{e['image']}"
                if path not in members:
                    continue
                name = words((e["name"] or e["short_name"]).lower())
                short = [words(s.replace("-", " ")) for s in e["short_names"]]
                kind = words(e["subcategory"].replace("-", " "))
                captions = list(dict.fromkeys([name, *short, f"{name}, {kind}", f"emoji of {short[0]}"]))
                data = tar.extractfile(members[path]).read()
                yield {
                    "open": lambda d=data: Image.open(io.BytesIO(d)),
                    "name": f"emoji-{style}-{e['unified'].lower()}",
                    "captions": captions,
                    "label": None,
                    "subject": emoji_subject(name),
                    "source": "emoji-" + style,
                }


def emoji_subject(name):
    return "emoji " + re.sub(r"[^a-z]+", " ", name.lower()).strip()


def tango(cache, size):
    root = cache / "tango-icon-theme/usr/share/icons/Tango/scalable"
    for svg in sorted(root.rglob("*.svg")):
        if svg.is_symlink():
            continue
        name = words(re.sub(r"^(gnome-(mime|dev|fs)|stock|gtk|redhat|xfce|kde)-?_?|[-_.]", " ", svg.stem))
        kind = TANGO[svg.parent.name]
        yield {
            "open": lambda p=svg: drawn(p.read_bytes(), size),
            "name": f"tango-{svg.parent.name}-{svg.stem}",
            "captions": [name, f"{name}, {kind}", f"{name} icon", f"{kind} icon"],
            "label": None,
            "subject": "~tango " + subject_of(name),
            "source": "tango",
        }


def icons(cache, size):
    """Sets of drawings from npm; the emoji among them belong to the families of their code points."""
    sequence = {e["slug"].replace("_", "-"): char.replace("\ufe0f", "") for char, e in
                member_of(cache, "unicode-emoji-json", "data-by-emoji.json").items()}
    family = {}
    for package in EMOJI.values():
        for e in member_of(cache, package, "emoji.json"):
            char = "".join(chr(int(c, 16)) for c in e["unified"].split("-")).replace("\ufe0f", "")
            family.setdefault(char, emoji_subject(words((e["name"] or e["short_name"]))))
    for package in ICONS:
        everything = member_of(cache, "@iconify-json/" + package, "icons.json")
        kinds = {name: kind for kind, names in
                 member_of(cache, "@iconify-json/" + package, "metadata.json").get("categories", {}).items()
                 for name in names}
        for key, icon in everything["icons"].items():
            if "skin-tone" in key or icon.get("hidden") or re.search(r"abstract|perspective|-\d+$", key):
                continue
            box = [str(icon.get(side, everything.get(side, 16))) for side in ("width", "height")]
            svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                   f'viewBox="0 0 {box[0]} {box[1]}">{icon["body"]}</svg>')
            name = words(key.replace("-", " "))
            captions = [name, f"{name} icon"] + ([f"{name}, {kinds[key].lower()}"] if key in kinds else [])
            yield {
                "open": lambda d=svg: drawn(d.encode(), size),
                "name": f"{package}-{key}",
                "captions": captions + (["map symbol: " + name] if package == "maki" else []),
                "label": None,
                "subject": family.get(sequence.get(key), f"~{package} {key}") if package.startswith("fluent")
                else f"~{package} {key}",
                "source": package,
            }


def square(picture, size):
    picture = picture.convert("RGBA")
    scale = size / max(picture.size)
    picture = picture.resize([max(1, round(s * scale)) for s in picture.size], Image.Resampling.LANCZOS)
    out = Image.new("RGB", (size, size), "white")
    out.paste(picture, [(size - s) // 2 for s in picture.size], picture)
    return out


def difference_hash(picture):
    p = picture.convert("L").resize((9, 8), Image.Resampling.BILINEAR).tobytes()
    return sum((p[9 * y + x] > p[9 * y + x + 1]) << (8 * y + x) for y in range(8) for x in range(8))


class Families:
    def __init__(self):
        self.parent = {}

    def find(self, x):
        self.parent.setdefault(x, x)
        while self.parent[x] != x:
            self.parent[x] = self.parent[self.parent[x]]
            x = self.parent[x]
        return x

    def join(self, a, b):
        a, b = sorted((self.find(a), self.find(b)))
        self.parent[b] = a


def alike(a, b, most=5.0):
    """Mean difference of two small versions, in grey levels. A hash alone takes all round things for one."""
    return sum(abs(x - y) for x, y in zip(a, b)) <= most * len(a)


def join_near_duplicates(records, families, bits=4):
    """Hashes that differ in at most `bits` of 64 places agree on at least one of bits+1 pieces."""
    pieces = bits + 1
    width = 64 // pieces + 1
    buckets = collections.defaultdict(list)
    for r in records:
        if r["hash"] in (0, (1 << 64) - 1):
            continue
        for i in range(pieces):
            buckets[i, r["hash"] >> (i * width) & ((1 << width) - 1)].append(r)
    for bucket in buckets.values():
        if len(bucket) > 400:  # a common piece says nothing
            continue
        for i, a in enumerate(bucket):
            for b in bucket[i + 1:]:
                if (a["hash"] ^ b["hash"]).bit_count() <= bits and alike(a["thumb"], b["thumb"]):
                    families.join(a["family"], b["family"])


def part_of(family):
    n = int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big") % 100
    return "test" if n < 10 else "validation" if n < 15 else "train"


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("out", type=pathlib.Path)
    args.add_argument("--size", type=int, default=96)
    args.add_argument("--cache", type=pathlib.Path)
    args = args.parse_args()
    cache = args.cache or args.out / "packages"
    fetch(cache)
    (args.out / "pictures").mkdir(parents=True, exist_ok=True)

    records, families, seen = [], Families(), set()
    for r in [*clipart(cache), *emoji(cache), *tango(cache, args.size), *icons(cache, args.size)]:
        try:
            picture = square(r.pop("open")(), args.size)
        except (OSError, ValueError, subprocess.CalledProcessError, Image.DecompressionBombError) as e:
            print(f"{r['name']}: {e} (left out)")
            continue
        pixels = hashlib.sha256(picture.tobytes()).digest()
        r["thumb"] = picture.resize((16, 16)).tobytes()
        if pixels in seen or len(set(r["thumb"])) < 3:
            continue  # the same picture again, or nothing on it
        seen.add(pixels)
        r["hash"] = difference_hash(picture)
        r["family"] = r.pop("subject") or r["name"]
        r["image"] = f"pictures/{r['name']}.png"
        picture.save(args.out / r["image"])
        records.append(r)
    join_near_duplicates(records, families)

    core = {families.find(r["family"]) for r in records if r["source"] not in ADDED}
    parts = collections.defaultdict(list)
    for r in records:
        r["family"] = families.find(r["family"])
        part = part_of(r["family"])
        if r["source"] in ADDED:
            if part != "train" and r["family"] in core:
                continue
            part = "added"
        parts[part].append({k: r[k] for k in ("image", "captions", "label", "family", "source")})
    labels = collections.Counter(r["label"] for r in parts["train"] if r["label"])
    in_test = collections.Counter(r["label"] for r in parts["test"] if r["label"])
    classes = sorted(k for k, n in labels.items() if n >= 12 and in_test[k] >= 2)
    (args.out / "classes.txt").write_text("".join(c + "\n" for c in classes))
    for part, rows in parts.items():
        with open(args.out / f"{part}.jsonl", "w", encoding="utf-8") as f:
            for r in rows:
                if r["label"] not in classes:
                    r["label"] = None
                f.write(json.dumps(r, ensure_ascii=False) + "\n")
        print(f"{part}: {len(rows)} pictures, {len({r['family'] for r in rows})} families")
    print(f"{len(classes)} classes")


if __name__ == "__main__":
    main()
