"""What is printed besides results: histories, layers, classes. Read strictly, checked, and those of the papers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.evaluation.published import History, Published, PublishedLayer, PublishedShares, check, load, parse
from mien.evaluation.published.figures import DOUBT, FAULT, FINE, Finding

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "audit-report.md").read_text(encoding="utf-8")
RESULT = "\n[[result]]\naccuracy = 0.50\n"
# A network of one convolution: 3·3·1·8 + 8, then 6·6·8 = 288 → 10.
LAYERS = [
    ("Conv2D", [12, 12, 8], 80),
    ("MaxPooling2D", [6, 6, 8], 0),
    ("Flatten", [288], 0),
    ("Dense", [10], 2890),
]


def paper(text: str) -> Published:
    return parse(text + RESULT, "paper.toml")


def of_study(name: str) -> Published:
    return load(ROOT / "studies" / name / "published.toml")


def layered(rows: list[tuple[str, list[int], int | None]], **parameters: int) -> list[Finding]:
    """What is found in a table of layers."""
    lines = [
        f'[[layer]]\nkind = "{k}"\nshape = {s}\n' + ("" if p is None else f"parameters = {p}\n") for k, s, p in rows
    ]
    lines.append("[parameters]\n" + "".join(f"{name} = {count}\n" for name, count in parameters.items()))
    return [f for f in check(paper("".join(lines))) if f.check == "layers"]


# ---- reading


def test_a_history_is_a_log_that_counts_from_1() -> None:
    rows = "{ epoch = 0, loss = 2, accuracy = 0.2500 }, { epoch = 9, val_loss = 1.5, val_accuracy = 0.40 }"
    one, last = paper(f"history = [{rows}]").history
    assert isinstance(one, History) and str(one.accuracy) == "0.2500"  # with the zeros that say how it was rounded
    assert one.row() == {"epoch": 1, "loss": 2, "accuracy": 0.25}
    assert last.row() == {"epoch": 10, "val_loss": 1.5, "val_accuracy": 0.4}


def test_what_is_beside_the_results_needs_no_result_table() -> None:
    single = parse('title = "T"\naccuracy = 0.5\n[parameters]\n"model 1" = 3\n[images]\ntest = 4\n', "paper.toml")
    assert (single.title, single.parameters, single.images) == ("T", {"model 1": 3}, {"test": 4})
    bare = parse("accuracy = 0.5", "paper.toml")
    assert (bare.history, bare.layer, bare.parameters, bare.images, bare.shares) == ([], [], {}, {}, {})
    for record, name in ((paper("[[history]]\nepoch = 0\nloss = 1").history[0], "loss"), (single, "title")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(record, name, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[history]]\nepoch = 0", "history 1 has an epoch only, expected one of loss, accuracy, val_loss, val_accu"),
        ("[[history]]\nloss = 1.5", "history 1, epoch is missing"),
        ("[[history]]\nepoch = -1\nloss = 1", "history 1, epoch is -1, expected a count"),
        ("[[history]]\nepoch = 0\nloss = -1", "history 1, loss is -1, expected a number from 0"),
        ("[[history]]\nepoch = 0\nloss = nan", "history 1, loss is NaN, expected a number such as 1.796"),
        ('[[history]]\nepoch = 0\nloss = "1"', "history 1, loss is '1', expected a number"),
        ("[[history]]\nepoch = 0\nval_accuracy = 31.7", "history 1, val_accuracy is 31.7, expected a share: 0.317"),
        ("[[history]]\nepoch = 0\nval_acc = 0.3", "history 1, val_acc: no such field, did you mean val_accuracy?"),
        ("[[history]]\nepoch = 0\nzzz = 0.3", "zzz: no such field; there are epoch, loss, accuracy, val_loss, val"),
        (
            "[[history]]\nepoch = 1\nloss = 1\n[[history]]\nepoch = 1\nloss = 1",
            "history has epoch 1 in row 2 after 1, expected ascending epochs",
        ),
        ("[history]\nepoch = 0", "expected one table or more, each headed [[history]]"),
        ("history = [3]", "history 1 is 3, expected a table"),
        ("[[layer]]\nshape = [7]", "layer 1, kind is missing"),
        ('[[layer]]\nkind = "Dense"\nshape = [0]', "layer 1, shape (value 1) is 0, expected 1 or more"),
        ('[[layer]]\nkind = "Dense"\nshape = []', "layer 1, shape is [], expected one value or more"),
        ('[[layer]]\nkind = "Dense"\nshape = 7', "layer 1, shape is 7, expected a list"),
        ('[[layer]]\nkind = "Dense"\nshape = [7]\nparams = 3', "layer 1, params: no such field, did you mean param"),
        ('[[layer]]\nkind = "Dense"\nshape = [7]\nparameters = 0.5', "parameters is 0.5, expected a whole number"),
        ('[parameters]\n"model 1" = 0', "parameters.model 1 is 0, expected 1 or more"),
        ("[images]\ntest = 0", "images.test is 0, expected at least one image"),
        ("[shares.set]\nhappy = 3", "shares.set.counts is missing; shares.set.happy: no such field"),
        ("[shares.set]\ncounts = { happy = 0.3 }", "shares.set.counts.happy is 0.3, expected a whole number"),
        ("[shares.set]\ncounts = {}", "shares.set.counts is {}, expected one value or more"),
        ('[shares.set]\napproximate = 1\ncounts = { a = 1 }', "shares.set.approximate is 1, expected true or false"),
        ("[shares.set]\nnotes = 3\ncounts = { a = 1 }", "shares.set.notes: no such field, did you mean note?"),
        ("shares = 3", "shares is 3, expected a table"),
        ("histroy = []", "histroy: no such field, did you mean history?"),
    ],
)  # fmt: skip
def test_a_bad_table_says_what_came_and_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        paper(text)
    assert said in str(error.value) and str(error.value).startswith("paper.toml")


def test_a_table_below_a_result_is_sent_to_its_place() -> None:
    with pytest.raises(DataError, match=r"result 1, images: no such field, images belongs above the first"):
        parse(RESULT + "images.test = 3\n", "paper.toml")


def test_the_page_names_every_field_and_its_example_is_read() -> None:
    code = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    read = paper(code)
    assert (len(read.history), len(read.layer), read.images) == (1, 1, {"training": 28_709})
    named = set(re.findall(r"`(?:\w+\.)*(\w+)`", PAGE))
    for table in (History, PublishedLayer, PublishedShares):
        assert set(table.model_fields) <= named, table
    assert set(Published.model_fields) - {"title", "result"} <= set(re.findall(r"`(\w+)[.\w]*`", PAGE))


# ---- checking


def test_layers_that_make_their_network_are_fine() -> None:
    [fine] = layered(LAYERS, network=2970)
    assert fine.severity == FINE and fine.arithmetic == "80 + 2,890 = 2,970, as printed"
    assert [f.severity for f in layered(LAYERS, trainable=2900, total=2970)] == [FINE]


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(1, 500), st.booleans())
def test_a_mistyped_count_of_a_layer_is_found(at: int, by: int, less: bool) -> None:
    rows: list[tuple[str, list[int], int | None]] = list(LAYERS)
    kind, shape, count = LAYERS[at]
    rows[at] = (kind, shape, count - min(by, count) if less and count else count + by)
    found = layered(rows, network=2970)
    assert [f.severity for f in found if f.what == "The layers do not sum to the network"] == [FAULT]
    assert f"= {sum(p for _, _, p in rows if p):,}, and printed are 2,970 for network" in found[-1].arithmetic


def test_a_row_that_does_not_follow_from_the_one_before_is_doubted() -> None:
    [flat, dense] = layered([*LAYERS[:2], ("Flatten", [228], 0), LAYERS[3]])
    assert flat.severity == dense.severity == DOUBT
    assert flat.what == "The shape of Flatten does not follow from the row before"
    assert flat.arithmetic == "MaxPooling2D before it puts out 6 × 6 × 8 = 288, and it 228"
    assert dense.arithmetic == "Flatten before it puts out 228: (228 + 1) · 10 = 2,290, and printed are 2,890"
    [branch] = layered([("Dense", [7], 3591), ("Dense", [2], 1026)], network=4617)  # both after a layer of 512
    assert branch.severity == DOUBT and "(7 + 1) · 2 = 16" in branch.arithmetic
    assert layered([("Dense", [7], 3591), ("Dense", [2], 14)], network=3605)[0].severity == FINE  # without biases
    assert layered([("Dense", [4, 7], 3591), ("Dense", [4, 2], 99)], network=3690)[0].severity == FINE  # of each row


def test_without_all_counts_or_a_total_nothing_is_said_of_the_sum() -> None:
    assert layered([*LAYERS[:3], ("Dense", [10], None)], network=2970) == []
    assert layered(LAYERS) == [] and layered([], network=3) == []


def test_classes_sum_to_their_set() -> None:
    def found(text: str) -> list[Finding]:
        return [f for f in check(paper(f"[shares.set]\ncounts = {{ a = 30, b = 12 }}\n{text}")) if f.result == "set"]

    [fine] = found("n = 42")
    assert fine.severity == FINE and fine.arithmetic == "30 + 12 = 42, as printed"
    [less] = found("n = 50")
    assert (less.check, less.severity) == ("figures", FAULT) and "a class of 8 is missing" in less.reading
    [more] = found("n = 40")
    assert more.severity == FAULT and "the counts are 2 too many" in more.reading
    assert found("") == found("n = 50\napproximate = true") == []


def historical(right: list[int], n: int, digits: int, stated: int) -> list[Finding]:
    """What is found where so many are right in each epoch."""
    rows = ", ".join(f"{{ epoch = {i}, val_accuracy = {k / n:.{digits}f} }}" for i, k in enumerate(right))
    return [f for f in check(paper(f"history = [{rows}]\nimages.test = {stated}\n")) if f.result == "history"]


@settings(max_examples=20)
@given(st.lists(st.integers(1000, 3500), min_size=4, max_size=8, unique=True), st.integers(-40, 40))
def test_the_images_that_epochs_were_taken_on_are_found(right: list[int], more: int) -> None:
    found = historical(right, 3581 + more, 7, 3581)
    assert [f.severity for f in found] == [DOUBT if more else FINE]
    assert found[0].what == f"The val_accuracy is of {3581 + more:,} images"
    assert f"{len(right)} of {len(right)} epochs" in found[0].arithmetic


def test_one_epoch_that_is_mistyped_is_found_and_few_digits_say_nothing() -> None:
    right = [900, 1200, 1500, 1650, 1800]
    rows = [{"epoch": i, "val_accuracy": f"{k / 3584:.6f}"} for i, k in enumerate(right)]
    rows[2]["val_accuracy"] = "0.418572"  # 1500 / 3584 = 0.418527
    listed = ", ".join(f"{{ epoch = {r['epoch']}, val_accuracy = {r['val_accuracy']} }}" for r in rows)
    found = [f for f in check(paper(f"history = [{listed}]\nimages.test = 3584\n")) if f.result == "history"]
    assert [f.severity for f in found] == [FINE, DOUBT] and "4 of 5 epochs" in found[0].arithmetic
    assert "epoch 2" in found[1].what and "1,500 would print 0.418527" in found[1].arithmetic
    assert historical(right, 3584, 4, 3584) == []  # every other number fits four digits
    assert historical(right[:2], 3584, 5, 3584) == [] and historical([], 3584, 6, 3584) == []
    assert historical([901, 1207, 1499, 1651], 9001, 6, 3584) == []  # a mean over folds, or another set
    assert historical([1800] * 8, 3584, 5, 3584) == historical([0, 3584], 3584, 7, 3584) == []  # one fit, and none
    assert historical([896, 1792, 2688, 448], 3584, 6, 3584)[0].severity == FINE  # of 3,520 and 3,648 images, too
    others = "".join(
        f", {{ epoch = {9 + i}, val_accuracy = 0.{k} }}" for i, k in enumerate((4185261, 5000001, 3333338))
    )
    listed = ", ".join(f"{{ epoch = {i}, val_accuracy = {k / 3584:.7f} }}" for i, k in enumerate(right[:3]))
    assert not [f for f in check(paper(f"history = [{listed}{others}]\nimages.test = 3584\n")) if f.result == "history"]


# ---- the papers


def test_the_history_and_layers_of_convrelu_ann() -> None:
    published = of_study("convrelu-ann")
    assert [h.epoch for h in published.history] == [0, 1, 2, 3, 4, 95, 96, 97, 98, 99]
    first, last = published.history[0].row(), published.history[-1].row()
    assert first == {"epoch": 1, "loss": 1.796232, "accuracy": 0.260906, "val_loss": 1.70954, "val_accuracy": 0.317522}
    assert last == {"epoch": 100, "loss": 0.761355, "accuracy": 0.71866, "val_loss": 0.997931, "val_accuracy": 0.653599}
    for before, row in zip(published.history[:5], published.history[1:5], strict=False):
        assert row.row()["loss"] < before.row()["loss"] and row.row()["val_loss"] < before.row()["val_loss"]
    assert sum(layer.parameters or 0 for layer in published.layer) == published.parameters["network"] == 2_489_095
    assert [layer.shape for layer in published.layer if layer.kind == "MaxPooling2D"] == [
        [23, 23, 64], [10, 10, 128], [4, 4, 256],
    ]  # fmt: skip
    found = check(published)
    assert [f.severity for f in found if f.check == "layers"] == [FINE]
    [learnt, held, odd] = [f for f in found if f.result == "history"]
    assert learnt.what == "The accuracy is of 28,677 images" and held.what == "The val_accuracy is of 7,168 images"
    assert "10 of 10 epochs" in learnt.arithmetic and "9 of 10 epochs" in held.arithmetic  # 224 batches of 32
    assert odd.what.startswith("The val_accuracy of epoch 1 is not") and "2,874 would print 0.400949" in odd.arithmetic
    [listed] = [f for f in found if f.result == "FER2013 as listed"]
    assert listed.severity == FAULT and listed.reading.endswith("a class of 360 is missing.")  # 4,953 - 4,593
    assert published.images["training"] + published.images["test"] == published.images["whole set"]


def test_every_count_of_convrelu_ann_follows_from_its_shapes() -> None:
    """Stride 1, kernels of 3×3: with the channels before, the table can be computed."""
    channels = 1
    for layer in of_study("convrelu-ann").layer:
        if layer.kind == "Conv2D":
            assert layer.parameters == (9 * channels + 1) * layer.shape[-1], layer
        channels = layer.shape[-1]


def test_the_tables_of_balanced_cnn() -> None:
    published = of_study("balanced-cnn")
    assert [layer.parameters for layer in published.layer] == [None] * 12
    assert [layer.kind for layer in published.layer].count("Conv2D") == 5
    assert [f for f in check(published) if f.check == "layers"] == []
    assert published.history[0].row() == {"epoch": 32, "val_loss": 0.8, "val_accuracy": 0.83}
    assert max(published.shares["FER2013 as listed"].counts.values()) == 8989


def test_the_tables_of_model_zoo() -> None:
    published = of_study("model-zoo")
    assert published.parameters == {"model 1": 605_060, "model 2": 830_928}
    assert published.images == {"training": 15_109, "validation": 4_977, "test": 128}
    histogram = published.shares["figure 2"]
    assert histogram.approximate and sum(histogram.counts.values()) == 15_000
    accuracies = {r.name: float(r.accuracy) for r in published.result if r.accuracy is not None}
    assert accuracies["model 2"] == 0.54 and accuracies["VGG16, frozen"] == 0.52
    for name, accuracy in accuracies.items():  # a share of 128, as far as it is printed, or said to be rough
        digits = 4 if name in ("model 1", "model 3, as first tried") else 2
        assert round(accuracy * 128) / 128 == pytest.approx(accuracy, abs=0.5 * 10**-digits), name
