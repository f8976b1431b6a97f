import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Embeddings in Zarr")


@app.cell(hide_code=True)
def header(mo):
    mo.md(r"""
    # Embeddings in Zarr

    Use a dictionary in reverse: describe a thing, and find its word among 6,000 definitions, exactly and without a
    vector database.

    - **Goal.** Store embeddings as a Zarr array and search it exactly by cosine with few chunks in memory. Make it
      more than thirty times smaller by product quantisation, and measure the loss of recall.
    - **Data.** 6,000 definitions of nouns from WordNet 3.0 and 40 descriptions written for this tutorial, each as a
      vector of 384 numbers by all-MiniLM-L6-v2. `data/make_embeddings.py` computed them once; they are stored as
      int8.
    - **Licence.** WordNet's own, which permits any use (`data/LICENCE.wordnet`); the model is under Apache 2.0.
    - **Run time.** About 9 s on two cores; a minute or two with `EXZARR_GALLERY_SIZE=full`, a million vectors.
    - **Try next.** Ask with a vector of your own (`pip install sentence-transformers`). Store the vectors as float16
      and check whether any answer changes.
    """)
    return


@app.cell
def imports():
    import csv
    import subprocess
    import sys
    import textwrap
    import time
    from pathlib import Path

    import marimo as mo
    import numpy as np

    import exzarr
    from exzarr.gallery import show, style
    from exzarr.gallery.embeddings import top_k
    from exzarr.gallery.quantising import ProductQuantiser, approximate_top_k, recall
    from exzarr.gallery.workspace import Workspace, size

    style.use()
    return (
        Path,
        ProductQuantiser,
        Workspace,
        approximate_top_k,
        csv,
        exzarr,
        mo,
        np,
        recall,
        show,
        size,
        style,
        subprocess,
        sys,
        textwrap,
        time,
        top_k,
    )


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## What an embedding is

    A model that was trained on many sentences turns each sentence into a point in a space of 384 dimensions.
    Sentences with similar meanings point in similar directions. The similarity of two sentences is the cosine of the
    angle between them: 1 for the same direction, about 0 for unrelated sentences.

    Only the *definitions* were embedded, not the words. A search therefore finds a word only by its meaning.
    """)
    return


@app.cell
def corpus(Path, csv, mo, np, show):
    _folder = Path(mo.notebook_dir() or ".") / "data"
    with (_folder / "wordnet_nouns.tsv").open(encoding="utf-8", newline="") as _file:
        entries = list(csv.DictReader(_file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def _unit(codes, scales):
        vectors = codes * scales[:, None]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    with np.load(_folder / "wordnet_nouns.npz") as _stored:
        vectors = _unit(_stored["codes"], _stored["scales"])
        questions = _unit(_stored["query_codes"], _stored["query_scales"])
        question_texts = _stored["query_texts"].tolist()
        question_words = _stored["query_terms"].tolist()
        question_rows = _stored["query_rows"]

    show.check("there is one vector for each definition", vectors.shape == (len(entries), 384))
    show.check(
        "each intended entry contains the intended word",
        all(
            word in entries[row]["words"].split(", ")
            for word, row in zip(question_words, question_rows, strict=True)
        ),
    )
    show.results(
        texts=len(entries),
        dimensions=vectors.shape[1],
        questions=len(questions),
        vectors_mb=vectors.nbytes / 1e6,
    )
    show.table([entries[_row] for _row in question_rows[:4]])
    return entries, question_rows, question_texts, question_words, questions, vectors


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Store the vectors

    Store one 2-dimensional array of float32, with a row for each vector. A chunk contains *some rows and all
    columns*, because a search reads all rows and needs every vector completely. `dimension_names` and attributes
    describe the numbers, because after a year it is easy to forget which model produced them.

    Does compression help? Look at the picture before you guess. The vectors of this tutorial were stored as int8.
    Values that were rounded to 255 steps compress far better than the values of a model. For this trial, the cell
    therefore adds random digits in place of those that were rounded away.
    """)
    return


@app.cell
def store(Workspace, exzarr, np, show, vectors):
    work = Workspace("embeddings")
    root = exzarr.create_group(work / "dictionary.zarr", overwrite=True)
    stored = root.create_array(
        "vectors",
        data=vectors,
        chunks=(1000, 384),
        compressors=None,
        dimension_names=("text", "dimension"),
        attributes={"model": "sentence-transformers/all-MiniLM-L6-v2", "normalized": True},
    )
    show.check("the stored vectors read back unchanged", np.array_equal(stored[...], vectors))
    show.results(stored_chunks=stored.nchunks, chunk_mb=stored.nbytes / stored.nchunks / 1e6)
    return root, stored, work


@app.cell
def compression(exzarr, np, show, style, time, vectors, work):
    _layouts = {
        "none": {"compressors": None},
        "zstd": {"compressors": "zstd"},
        "shuffle\nand zstd": {"compressors": {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0}}},
        "float16": {"compressors": None, "dtype": "float16"},
    }  # fmt: skip
    _rounded_away = np.abs(vectors).max(axis=1, keepdims=True) / 127
    _as_made = vectors + _rounded_away * np.random.default_rng(5).uniform(-0.5, 0.5, vectors.shape)
    _as_made = _as_made.astype("f4")
    _bytes, _read = {}, {}
    for _name, _options in _layouts.items():
        _array = exzarr.create_array(
            work / "trial.zarr",
            shape=vectors.shape,
            chunks=(1000, 384),
            **{"dtype": "float32", **_options},
            overwrite=True,
        )
        _array[...] = _as_made
        _bytes[_name] = work.bytes_on_disk("trial.zarr/c") / vectors.nbytes
        _took = []
        for _ in range(5):
            _began = time.perf_counter()
            _array[...]
            _took.append(time.perf_counter() - _began)
        _read[_name] = vectors.nbytes / np.median(_took) / 1e9

    _fig, (_left, _right) = style.new_figure(7.6, 2.8, columns=2, grid="x")
    for _axes, _values, _title, _colour in (
        (_left, _bytes, "What is left of the bytes", style.BLUE),
        (_right, _read, "Read, in GB of float32 a second", style.TEAL),
    ):
        _axes.barh([*_values], [*_values.values()], color=_colour)
        _axes.invert_yaxis()
        style.title(_axes, _title)
    show.check("zstd saves less than 15 %", _bytes["zstd"] > 0.85)
    show.check("float16 takes half the bytes", abs(_bytes["float16"] - 0.5) < 0.01)
    show.measured(
        zstd_percent=100 * _bytes["zstd"],
        shuffle_percent=100 * _bytes["shuffle\nand zstd"],
        read_none_gb_s=_read["none"],
        read_zstd_gb_s=_read["zstd"],
    )
    show.figure(
        "compression",
        _fig,
        alt="Bars: compression saves about a tenth of the bytes of embeddings, and reading becomes several times slower.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The last bits of an embedding are noise, and noise does not compress. Therefore these arrays are stored raw. This
    has a second advantage: `top_k` does not need to read a raw chunk on a local disk. It maps the chunk into memory
    and computes on the kernel's own copy of the file.

    ## Search chunk by chunk

    The whole algorithm is short. For each chunk, compute the cosines, which for vectors of length 1 is one matrix
    product, and keep the ten best. From all chunks, keep the ten best of these. Each step needs only its own chunk,
    so it is a `parallel_chunk_map` with a `reduce`:
    """)
    return


@app.cell
def scan(np, questions, show, stored, vectors):
    def ten_best(chunk):
        scores = chunk.data @ questions[0]
        best = np.argsort(-scores)[:10]
        return scores[best], chunk.region[0].start + best

    def better(a, b):
        scores, rows = np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])
        best = np.argsort(-scores)[:10]
        return scores[best], rows[best]

    _, by_hand = stored.parallel_chunk_map(ten_best, with_chunk=True, workers=2, reduce=better)
    show.check(
        "the scan finds the same ten rows as NumPy",
        np.array_equal(by_hand, np.argsort(-(vectors @ questions[0]))[:10]),
    )
    return (by_hand,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `exzarr.gallery.embeddings.top_k` is a more careful version. It takes many questions in one call and accepts
    vectors of any length. It returns equal scores in the order of rows and raises an error that names a NaN row. It
    decides in float64 what float32 cannot distinguish, so that the answer does not depend on the chunk shape.
    """)
    return


@app.cell
def ask(by_hand, mo, np, question_texts, questions, show, stored, top_k, vectors):
    found = top_k(stored, questions, k=10, normalized=True)

    _exact = questions.astype("f8") @ vectors.astype("f8").T
    _expected = np.argsort(-_exact, axis=1, kind="stable")[:, :10]
    show.check("all answers equal those of NumPy in float64", np.array_equal(found.rows, _expected))
    show.check("the first answer equals that of the scan by hand", np.array_equal(found.rows[0], by_hand))
    question = mo.ui.dropdown(
        {text: number for number, text in enumerate(question_texts)},
        value=question_texts[0],
        label="what is it",
    )
    question
    return found, question


@app.cell
def answers(entries, found, question, question_words, show):
    _rows, _scores = found.rows[question.value], found.scores[question.value]
    show.results(asked=list(question.options)[question.value], meant=question_words[question.value])
    show.table(
        [
            {
                "cosine": f"{score:.3f}",
                "words": entries[row]["words"],
                "definition": entries[row]["definition"],
            }
            for row, score in zip(_rows[:5], _scores[:5], strict=True)
        ]
    )
    return


@app.cell
def histogram(entries, found, question, questions, np, show, style, vectors):
    _cosines = vectors @ questions[question.value]
    _first = found.rows[question.value, 0]
    _fig, _axes = style.new_figure(7.6, 3.0)
    _axes.hist(_cosines, bins=np.linspace(-0.3, 0.9, 97), color=style.GREY)
    _axes.set_yscale("log")
    for _place, (_row, _score) in enumerate(
        zip(found.rows[question.value, :3], found.scores[question.value], strict=False)
    ):
        _axes.axvline(_score, color=style.ORANGE, linewidth=1)
        _word = entries[_row]["words"].split(",")[0]
        _axes.annotate(_word, (_score + 0.004, 250 / 3**_place), color=style.ORANGE, fontsize=8.5)
    _axes.set_xlabel("cosine between the question and a definition")
    _axes.set_ylabel("definitions")
    style.title(_axes, list(question.options)[question.value])
    show.check("the best row has the largest cosine of all rows", _cosines.argmax() == _first)
    show.results(median_cosine=float(np.median(_cosines)), best_cosine=float(found.scores[question.value, 0]))
    show.figure(
        "similarities",
        _fig,
        alt="A histogram of cosines: nearly all definitions are around 0.05, three answers are far to the right.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## How good is the dictionary?

    This is a question about the model and not about the array. The search is exact, so every wrong answer comes from
    the model. Each description has one intended entry. How often is it first, and how often is it among the ten?
    """)
    return


@app.cell
def quality(entries, found, np, question_rows, question_texts, show):
    _hits = found.rows == question_rows[:, None]
    _place = np.where(_hits.any(axis=1), _hits.argmax(axis=1), -1)
    show.check("more than half of the intended entries are among the ten", _hits.any(axis=1).mean() > 0.5)
    show.results(
        first_percent=100 * float(np.mean(_place == 0)), among_ten_percent=100 * float(np.mean(_place >= 0))
    )
    show.table(
        [
            {
                "asked": question_texts[i],
                "first answer": entries[found.rows[i, 0]]["words"].split(",")[0],
                "meant": entries[question_rows[i]]["words"].split(",")[0],
                "place": "not among ten" if _place[i] < 0 else int(_place[i]) + 1,
            }
            for i in range(0, 40, 4)
        ]
    )
    return


@app.cell
def word_map(entries, found, np, question, questions, show, style, vectors):
    _colours = dict(zip(("animal", "food", "body", "person", "feeling", "time"), style.COLOURS, strict=True))
    _mean = vectors.mean(axis=0)
    _, _axes2 = np.linalg.eigh(np.cov(vectors.T.astype("f8")))
    _axes2 = _axes2[:, [-1, -2]] * np.sign(_axes2[0, [-1, -2]])
    _at = (vectors - _mean) @ _axes2
    _category = np.array([entry["category"] for entry in entries])

    _fig, _axes = style.new_figure(7.6, 4.6, grid="")
    _axes.scatter(*_at.T, s=2, color=style.GREY, alpha=0.25, linewidths=0, rasterized=True)
    for _name, _colour in _colours.items():
        _axes.scatter(*_at[_category == _name].T, s=5, color=_colour, alpha=0.6, linewidths=0, label=_name, rasterized=True)  # fmt: skip
    _asked = (questions[question.value] - _mean) @ _axes2
    _axes.scatter(*_at[found.rows[question.value]].T, s=36, facecolors="none", edgecolors=style.INK, label="its ten answers")  # fmt: skip
    _axes.scatter(*_asked, marker="x", s=60, color=style.INK, label="the question")
    _axes.legend(fontsize=8, markerscale=1.2, loc="upper left", bbox_to_anchor=(1, 1))
    _axes.set_xticks([])
    _axes.set_yticks([])
    style.title(_axes, "The two directions in which definitions differ most", "each point: a definition")
    _spread = np.array([_at[_category == _name].mean(axis=0) for _name in _colours])
    show.check("the categories are in different regions", np.ptp(_spread, axis=0).max() > 0.2)
    show.figure(
        "map",
        _fig,
        alt="Definitions as points in a plane: persons, animals, food and feelings form separate regions.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Larger than memory

    A model produces the vectors batch by batch. `write_stream` takes batches from any iterator, and encodes and
    stores them in threads. When the store is slower than the model, the model waits (*backpressure*). Never more than
    `max_pending` batches exist. A search then keeps one or two chunks in memory. Both ends therefore work on a
    machine that could not hold even a tenth of the array.

    In this cell, the batches are definitions with added noise, and each question is hidden at a known row.
    """)
    return


@app.cell
def million(exzarr, np, questions, show, size, vectors, work):
    count, rows_of_a_chunk = size((40_000, 8192), full=(1_000_000, 16_384))
    hidden = np.arange(len(questions)) * (count // len(questions)) + 17

    def batches(seed=11):
        rng = np.random.default_rng(seed)
        for number, start in enumerate(range(0, count, rows_of_a_chunk)):
            stop = min(count, start + rows_of_a_chunk)
            batch = 0.04 * rng.standard_normal((stop - start, 384), np.float32)
            batch += vectors[rng.integers(len(vectors), size=stop - start)]
            batch /= np.linalg.norm(batch, axis=1, keepdims=True)
            for i in np.flatnonzero((hidden >= start) & (hidden < stop)):
                batch[hidden[i] - start] = questions[i]
            yield (number, 0), batch

    large = exzarr.create_array(
        work / "large.zarr",
        shape=(count, 384),
        chunks=(rows_of_a_chunk, 384),
        dtype="float32",
        compressors=None,
        dimension_names=("text", "dimension"),
        overwrite=True,
    )
    report = large.write_stream(batches(), workers=2, max_pending=2)
    show.check("write_stream wrote every chunk", (report.written, len(report.failed)) == (large.nchunks, 0))
    show.results(large_vectors=count, large_mb=large.nbytes / 1e6, large_chunks=large.nchunks)
    return batches, hidden, large


@app.cell
def search_in_little_memory(Path, hidden, large, np, questions, show, subprocess, sys, textwrap, top_k, work):
    _script = """
    import sys
    import numpy as np
    import exzarr
    from exzarr.gallery.embeddings import top_k

    def memory(name):  # of this process, in kB, on Linux
        try:
            lines = open("/proc/self/status").read().splitlines()
        except FileNotFoundError:
            return 0
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    array, questions = exzarr.open(sys.argv[1]), np.load(sys.argv[2])
    top_k(array[:100], questions)
    before = memory("VmRSS:")
    found = top_k(array, questions, normalized=True)
    print(memory("VmHWM:") - before, *found.rows[:, 0])
    """
    np.save(work / "questions.npy", questions)
    _arguments = [
        sys.executable,
        "-c",
        textwrap.dedent(_script),
        str(work / "large.zarr"),
        str(work / "questions.npy"),
    ]
    _done = subprocess.run(_arguments, capture_output=True, text=True, check=True)
    _peak, *_rows = map(int, _done.stdout.split())

    show.check("another process finds every hidden question", np.array_equal(_rows, hidden))
    show.check(
        "this process finds every hidden question",
        np.array_equal(top_k(large, questions, 3, normalized=True).rows[:, 0], hidden),
    )
    show.check(
        "the search held fewer than six chunks in memory", 1024 * _peak < 6 * large.chunks[0] * 384 * 4
    )
    show.measured(peak_mb=1.024e-3 * _peak)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Product quantisation: fewer bytes

    Cut each vector into parts. For each part, find 256 typical values by k-means, and store only the number of the
    nearest typical value: one byte. 48 parts turn 1,536 bytes into 48. A search adds entries of a small table and
    does not multiply.

    This is no longer exact. How much is lost? Move the slider. *Codes alone* takes the ten best rows according to the
    codes. *With a second look* takes the fifty best rows according to the codes, reads only those vectors, and sorts
    them by the true cosine.
    """)
    return


@app.cell
def parts_slider(mo):
    parts = mo.ui.slider(steps=[8, 16, 24, 32, 48, 64, 96], value=48, label="parts (bytes of a code)")
    parts
    return (parts,)


@app.cell
def quantise(ProductQuantiser, approximate_top_k, found, np, questions, recall, root, stored, vectors):
    def quantised(n):
        """Return the recall of codes alone and with a second look, and the mean error of the decoded vectors."""
        quantiser = ProductQuantiser.train(vectors[::3], n, rounds=4, seed=1)
        folder = root.require_group(f"codes_{n}")
        folder.create_array("centroids", data=quantiser.centroids, overwrite=True)
        codes = folder.create_array(
            "codes", shape=(len(vectors), n), chunks=(1000, n), dtype="uint8", overwrite=True
        )
        codes.write_stream(
            stored.parallel_chunk_map(
                lambda chunk: ((chunk.region[0], slice(None)), quantiser.encode(chunk.data)), with_chunk=True
            )
        )
        again = ProductQuantiser(folder["centroids"][...])
        alone = approximate_top_k(codes, again, questions, 10)
        second = approximate_top_k(codes, again, questions, 10, vectors=stored, candidates=50)
        sample = np.abs(again.decode(codes[:100]) - vectors[:100]).mean()
        return {
            "alone": recall(alone.rows, found.rows),
            "second look": recall(second.rows, found.rows),
            "error": float(sample),
        }

    curve = {n: quantised(n) for n in (8, 24, 48, 96)}
    return curve, quantised


@app.cell
def recall_picture(curve, np, parts, quantised, questions, root, show, style):
    chosen = curve.get(parts.value) or quantised(parts.value)
    _points = sorted({**curve, parts.value: chosen}.items())
    _fig, _axes = style.new_figure(7.6, 3.2, grid="both")
    for _which, _colour in (("second look", style.TEAL), ("alone", style.BLUE)):
        _label = "codes alone" if _which == "alone" else "with a second look at 50"
        _axes.plot(
            [n for n, _ in _points], [p[_which] for _, p in _points], "o-", color=_colour, label=_label
        )
        _axes.plot(parts.value, chosen[_which], "o", markersize=11, color=_colour)
    _axes.axhline(1, color=style.GREY, linewidth=1)
    _axes.set_xscale("log", base=2)
    _axes.set_xticks([8, 16, 32, 64, 96], ["8", "16", "32", "64", "96"])
    _axes.set_xlabel("bytes of a vector (1,536 as float32)")
    _axes.set_ylabel("recall of the ten nearest")
    _axes.set_ylim(0, 1.05)
    _axes.legend(loc="lower right")
    style.title(_axes, f"{parts.value} bytes: {chosen['alone']:.2f} alone, {chosen['second look']:.2f} with a second look")  # fmt: skip

    codes = root[f"codes_{parts.value}/codes"]
    _plan = root["vectors"].explain[np.arange(0, 6000, 120)]
    show.check("more bytes give better recall", curve[8]["alone"] < curve[48]["alone"] < curve[96]["alone"])
    show.check(
        "a second look never reduces the recall", all(p["second look"] >= p["alone"] for p in curve.values())
    )
    show.check("the codes have the requested number of bytes", codes.shape == (6000, parts.value))
    show.results(code_bytes=parts.value, times_smaller=1536 / parts.value, second_look_rows=50)
    show.measured(
        recall_alone=chosen["alone"],
        recall_second=chosen["second look"],
        recall_8_alone=curve[8]["alone"],
        recall_8_second=curve[8]["second look"],
        recall_96_alone=curve[96]["alone"],
    )
    show.figure(
        "recall",
        _fig,
        alt="Recall rises with the bytes of a code; with a second look at fifty vectors it is near 1 from 24 bytes on.",
    )
    return (codes,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Interoperability: the same vectors in other libraries

    The array is an ordinary Zarr array, so any Zarr library can read and search it. `top_k` also searches arrays that
    other libraries wrote.
    """)
    return


@app.cell
def interoperability(codes, exzarr, found, np, questions, show, stored, top_k, vectors, work):
    import tensorstore
    import zarr

    by_zarr = zarr.open_array(work / "dictionary.zarr" / "vectors", mode="r")
    show.check("zarr-python reads the same vectors", np.array_equal(by_zarr[...], vectors))
    show.check(
        "zarr-python reads the same codes",
        np.array_equal(zarr.open_array(work / "dictionary.zarr" / codes.path, mode="r")[:50], codes[:50]),
    )

    _spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(work / "dictionary.zarr" / "vectors")},
    }
    by_tensorstore = tensorstore.open(_spec, read=True).result()
    show.check(
        "TensorStore reads the same rows",
        np.array_equal(by_tensorstore[found.rows[0]].read().result(), stored.oindex[found.rows[0]]),
    )

    zarr.create_array(work / "theirs.zarr", data=vectors, chunks=(512, 384))
    _theirs = top_k(exzarr.open(work / "theirs.zarr"), questions, 10, normalized=True)
    show.check("an array from zarr-python gives the same answers", np.array_equal(_theirs.rows, found.rows))
    show.results(values_compared=vectors.size)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Performance and operations

    The reference is NumPy with all vectors in memory: one matrix product, `argpartition`, and a sort of the remaining
    rows. The cell compares it with the same search from disk (in the system's page cache), raw and compressed, for
    one question and for several questions together.
    """)
    return


@app.cell
def speed(exzarr, large, np, questions, show, style, time, top_k, work):
    _memory = large[...]
    _packed = exzarr.create_array(work / "packed.zarr", data=_memory, chunks=large.chunks, overwrite=True)

    def _numpy(asked):
        scores = asked @ _memory.T
        near = np.argpartition(scores, -10, axis=1)[:, -10:]
        order = np.argsort(-np.take_along_axis(scores, near, 1), axis=1)
        return np.take_along_axis(near, order, 1)

    _ways = {
        "NumPy, all in memory": _numpy,
        "Zarr, raw": lambda asked: top_k(large, asked, normalized=True).rows,
        "Zarr, raw, lengths unknown": lambda asked: top_k(large, asked).rows,
        "Zarr, zstd": lambda asked: top_k(_packed, asked, normalized=True).rows,
    }
    _took = {(name, n): [] for name in _ways for n in (1, 8, 40)}
    for _turn in range(4):
        for (_name, _n), _seconds in _took.items():
            _began = time.perf_counter()
            _rows = _ways[_name](questions[:_n])
            if _turn:
                _seconds.append(time.perf_counter() - _began)
    _ms = {key: 1e3 * float(np.median(seconds)) for key, seconds in _took.items()}

    _fig, _axes = style.new_figure(7.6, 3.2)
    for _k, _name in enumerate(_ways):
        _axes.bar(np.arange(3) + 0.2 * _k - 0.3, [_ms[_name, n] / n for n in (1, 8, 40)], 0.18, label=_name)
    _axes.set_xticks(range(3), ["1 question", "8 at a time", "40 at a time"])
    _axes.set_ylabel("ms for each question")
    _axes.set_yscale("log")
    _axes.legend(fontsize=8)
    style.title(_axes, f"{large.shape[0]:,} vectors, {large.nbytes / 1e6:,.0f} MB")
    show.check("NumPy finds the same rows", np.array_equal(_rows[:, 0], _numpy(questions)[:, 0]))
    show.measured(
        numpy_1_ms=_ms["NumPy, all in memory", 1],
        raw_1_ms=_ms["Zarr, raw", 1],
        zstd_1_ms=_ms["Zarr, zstd", 1],
        numpy_40_ms=_ms["NumPy, all in memory", 40],
        raw_40_ms=_ms["Zarr, raw", 40],
        zstd_40_ms=_ms["Zarr, zstd", 40],
        raw_40_each_ms=_ms["Zarr, raw", 40] / 40,
    )
    show.figure(
        "speed",
        _fig,
        alt="Bars: the time per question falls as you ask more together; raw Zarr is close to NumPy in memory.",
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Conclusions:

    - **Chunks.** If you search all rows, use all columns and as many rows as make 5 to 25 MB. If you read single
      vectors by row (the second look), use smaller chunks, or shards with small inner chunks.
    - **Throughput or latency.** One question waits for one pass over the array. Collect questions for some
      milliseconds, and one pass answers all of them. The picture shows how much time this saves.
    - **Object stores.** The code is the same. Compressed or quantised vectors are faster there, because the transfer
      takes most of the time. `chunk_stream(retries=3)` and a store with `Retry` handle temporary failures.
    - **What to monitor.** Watch the bytes per second of the scan (far below the speed of the disk means that the
      chunks are too small). Watch the recall of the codes on a sample of real questions (it falls when the texts
      change and the centroids do not). Watch for vectors that are zero or not finite: `top_k` names the first vector
      that is not finite.
    """)
    return


@app.cell
def monitor(exzarr, found, np, questions, show, stored, top_k):
    with exzarr.profile() as scan_report:
        _again = top_k(stored, questions, 10, normalized=True)
    show.check("a profiled search reads each chunk once", scan_report.total("read").chunks == stored.nchunks)
    show.check("a profiled search finds the same rows", np.array_equal(_again.rows, found.rows))
    print(scan_report)
    return


if __name__ == "__main__":
    app.run()
