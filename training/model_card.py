"""Write `model_store/MODEL_CARD.md` from the reports of the served model.

    python -m training.model_card

The words come from `model_card.md.in`, the numbers from `REPORTS` and the model file itself.
Sections after Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import onnx

from training.audit_table import found, gaps, markdown
from training.conditions import MIDDLE
from training.reliability import CAUGHT, FEWEST, FLOOR
from training.stress import SHOWN
from training.stress_photographs import summary

MODEL_STORE = Path(__file__).resolve().parent.parent / "model_store"
WORDS = Path(__file__).with_name("model_card.md.in")

REPORTS = ("report.json", "compression.json", "stress.json", "stress-photographs.json", "audit.json")
"""Files with what was measured of a model: scores, compression, stress of faces and of photographs, audit."""


def main() -> None:
    path = MODEL_STORE / "MODEL_CARD.md"
    path.write_text(model_card(MODEL_STORE), encoding="utf-8")
    print(path)


def model_card(folder: Path) -> str:
    """The card of the model in `folder`, as Markdown."""
    report, compression, stress, photographs, audit = reports(folder)
    metadata = {entry.key: entry.value for entry in onnx.load(folder / "emotion.onnx").metadata_props}
    training = json.loads(metadata["training"])
    recipe = training["recipe"]
    shipped = compression["points"][compression["shipped"]]
    best, worst = _extremes(report)
    return Template(WORDS.read_text(encoding="utf-8")).substitute(
        name=metadata["name"],
        version=metadata["version"],
        runtime=report["model"]["runtime"],
        shipped=compression["shipped"],
        parameters=f"{shipped['parameters'] / 1e6:.2f}",
        macs=f"{shipped['macs'] / 1e6:.0f}",
        megabytes=f"{shipped['bytes'] / 1e6:.1f}",
        milliseconds=f"{shipped['milliseconds']['1']:.2f}",
        recipe=recipe["name"],
        trained=_trained(recipe, training["epochs"]),
        images=f"{training['images']:,}",
        temperature=f"{report['temperature']:.3f}",
        learnt_from=_learnt_from(training),
        began=_began(training),
        data=report["data"]["name"],
        count=f"{report['count']:,}",
        scores=_scores(report),
        classes=_classes(report),
        coverage=_coverage(report),
        stressed=_stressed(stress),
        reliable=_reliable(stress),
        photographs=summary(photographs),
        audited=_audited(audit),
        compression=_compression(compression),
        ece=f"{report['ece']:.3f}",
        ece_by_chance=f"{report['ece_by_chance']:.3f}",
        ece_cross_fitted=f"{report['ece_cross_fitted']:.3f}",
        best=best,
        worst=worst,
    )


def reports(folder: Path) -> list[dict[str, Any]]:
    """What was measured of the model in `folder`, in the order of `REPORTS`."""
    return [json.loads((folder / name).read_text(encoding="utf-8")) for name in REPORTS]


def _trained(recipe: dict[str, Any], epochs: int) -> str:
    """What the recipe's own run did, in words."""
    if not epochs:
        return "no epochs of its own; the runs it is the average of were trained with AdamW and cross-entropy"
    teachers = ", ".join((recipe.get("distillation") or {}).get("teachers", ())) or "none"
    return f"{epochs} epochs with AdamW and cross-entropy; teachers: {teachers}"


def _learnt_from(training: dict[str, Any]) -> str:
    """What FER+ and ImageNet have to do with the network, in words."""
    own = [part["recipe"] for part in _built_on(training, ("parts", "origins"))]
    everything = list(_built_on(training, ("parts", "origins", "teachers")))
    taught = [part["recipe"] for part in everything]
    said = []
    if any(recipe.get("votes") for recipe in own):
        said.append("The ten FER+ votes of each face (Barsoum et al. 2016) trained a second head, which is not served.")
    elif any(recipe.get("votes") for recipe in taught):
        said.append("FER+ votes (Barsoum et al. 2016) trained its teachers.")
    if any(recipe.get("backbone") for recipe in own):
        said.append("It began with the weights that EfficientNet-Lite0 has from ImageNet.")
    elif any(recipe.get("backbone") for recipe in taught):
        said.append("One of its teachers began with the weights that EfficientNet-Lite0 has from ImageNet.")
    for part in everything:
        epochs, planned = part.get("epochs"), (part["recipe"].get("optimization") or {}).get("epochs")
        if epochs and planned and epochs < planned:
            said.append(f"The run of `{part['recipe']['name']}` was stopped after {epochs} of {planned} epochs.")
    return textwrap.fill(" ".join(dict.fromkeys(said)), width=120, break_on_hyphens=False)


def _built_on(training: dict[str, Any], ways: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What is known of a network's training, and of those it was built on in `ways`, and so on.

    `training`: as `training.average` or a run writes it, or `training.recovery`, which keeps it under `origin`.
    """
    training = training.get("origin", training)
    yield training
    for way in ways:
        for part in training.get(way, {}).values():
            yield from _built_on(part, ways)


def _began(training: dict[str, Any]) -> str:
    """With which weights the training began, in words."""
    made = list(_made_of("The network", training))
    sentences = [f"{name} began as {_average(shares)}." for name, shares in made]
    if not made and not training["recipe"].get("backbone"):
        sentences.append("The weights began at random.")
    if any(len(shares) > 1 for _, shares in made):
        sentences.append(
            "Shares of averages were chosen by their score on PublicTest, so scores on PublicTest flatter this model a "
            "little."
        )
    for part in _built_on(training, ("origins",)):
        if part.get("balance"):
            offsets = ", ".join(f"{name} {value:+.2f}" for name, value in part["offsets"].items())
            sentences.append(
                f"Then {part['balance']:.0%} of the offsets were added that make it name each emotion as often as "
                f"PublicTest's labels do ({offsets}; `training.scoring.fit_offsets`); they are fitted on the faces it "
                "is scored on."
            )
    return textwrap.fill(" ".join(dict.fromkeys(sentences)), width=120, break_on_hyphens=False)


def _made_of(name: str, training: dict[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """`name` with the shares of the networks it began as; then the same for each of these that began with others.

    `training`: as `training.average` or a run writes it, or `training.recovery`, which keeps it under `origin`.
    """
    training = training.get("origin", training)
    start = training["recipe"].get("start")
    if "average" in training:
        yield name, training["average"]
    elif start:
        blend = start.get("blend", {})  # 2.1.0's runs, older than training.average, averaged here
        yield name, {start["network"]: 1 - sum(blend.values())} | blend
    for path, part in training.get("parts", training.get("origins", {})).items():
        yield from _made_of(f"`{path}`", part)


def _average(shares: dict[str, float]) -> str:
    average = ", ".join(f"`{name}` ({share:.0%})" for name, share in shares.items())
    return f"the average of the weights of {average}" if len(shares) > 1 else "".join(f"`{name}`" for name in shares)


def _scores(report: dict[str, Any]) -> str:
    rows = [
        "| faces | accuracy | 95 % interval | macro-F1 | macro precision | macro recall |",
        "|---|---|---|---|---|---|",
    ]
    for title, part in (("all", report), ("not among the training images", report.get("deduplicated"))):
        if part:
            low, high = part["accuracy_interval"]
            macro = " | ".join(f"{part[key]:.3f}" for key in ("macro_f1", "macro_precision", "macro_recall"))
            rows.append(f"| {title}, {part['count']:,} | {part['accuracy']:.2%} | {low:.2%} to {high:.2%} | {macro} |")
    return "\n".join(rows)


def _classes(report: dict[str, Any]) -> str:
    rows = ["| emotion | precision | recall | F1 | faces |", "|---|---|---|---|---|"]
    for label, scores in report["per_class"].items():
        numbers = " | ".join(f"{scores[key]:.2f}" for key in ("precision", "recall", "f1"))
        rows.append(f"| {label} | {numbers} | {scores['count']} |")
    return "\n".join(rows)


def _coverage(report: dict[str, Any]) -> str:
    rows = ["| answered when confidence reaches | share answered | accuracy on them |", "|---|---|---|"]
    for point in report["coverage"]:
        if round(point["threshold"] * 10, 6).is_integer() and point["threshold"] >= 0.3:
            rows.append(f"| {point['threshold']:.0%} | {point['coverage']:.1%} | {point['accuracy']:.1%} |")
    return "\n".join(rows)


def _stressed(report: dict[str, Any]) -> str:
    """What `training.stress` found at the middle strength of every condition, beside the peer if there is one."""
    peer, data = report["peer"], report["data"]
    head = ["condition", "accuracy", "macro-F1", "stated confidence", f"answered at {SHOWN:.0%}", "accuracy of these"]
    rows = [_under("as they are", report["clean"])]
    for condition in report["conditions"]:
        cell = condition["cells"][MIDDLE]
        rows.append(_under(f"{condition['name']}, {cell['strength']:g} {condition['unit']}", cell))
    if peer:
        head.append(f"{peer['model']['name']} {peer['model']['version']}")
        others = [peer["clean"], *(peer["conditions"][each["name"]][MIDDLE] for each in report["conditions"])]
        rows = [[*row, f"{other:.1%}"] for row, other in zip(rows, others, strict=True)]
    return (
        f"{data['count']:,} faces of {data['name']}, damaged in one way each, at the middle of five strengths; mean "
        f"accuracy {report['middle']['accuracy']:.1%}.\nAll strengths: `model_store/STRESS.md`.\n\n"
        "![Accuracy and stated confidence under each condition, from the weakest strength to the strongest]"
        f"(stress.png)\n\n{markdown(head, rows)}"
    )


def _under(title: str, cell: dict[str, Any]) -> list[str]:
    abstaining = next(each for each in cell["abstaining"] if each["threshold"] == SHOWN)
    return [
        title,
        f"{cell['accuracy']:.1%}",
        f"{cell['macro_f1']:.3f}",
        f"{cell['confidence']:.1%}",
        f"{abstaining['answered']:.1%}",
        f"{abstaining['accuracy']:.1%}",
    ]


def _reliable(report: dict[str, Any]) -> str:
    """Which of the damaged faces are called unreliable, and how the others are read."""
    limits = report["limits"]
    head = ["condition", "marked unreliable", "accuracy on the others", "over-confidence on them, points"]
    rows = [_relied_on("as they are", report["clean"])]
    rows += [
        _relied_on(f"{each['name']}, {each['cells'][-1]['strength']:g} {each['unit']}", each["cells"][-1])
        for each in report["conditions"]
    ]
    missed, worst = limits["missed"], limits["worst_overconfidence"]
    said = (
        f"`reliable` is false beyond the limits of `emotion.quality.LIMITS`. Accuracy is below {FLOOR:.0%} in "
        f"{limits['failing']} of {limits['cells']} cells of the stress report, and in "
        f"{limits['failing'] - len(missed)} of these at least {CAUGHT:.0%} of the faces are marked. "
    )
    if missed:
        said += f"Not noticed: {', '.join(dict.fromkeys(each['name'] for each in missed))}. "
    if worst:
        said += (
            f"On faces called reliable, stated confidence is {100 * worst['overconfidence']:+.1f} points from accuracy "
            f"at worst ({worst['name']} {worst['strength']:g}). "
        )
    said += "At the strongest of five strengths:"
    return f"{textwrap.fill(said, width=120, break_on_hyphens=False)}\n\n{markdown(head, rows)}"


def _relied_on(name: str, cell: dict[str, Any]) -> list[str]:
    others = cell["relied_on"]
    if others["count"] < FEWEST:
        return [name, f"{cell['unreliable']:.1%}", "–", "–"]
    return [name, f"{cell['unreliable']:.1%}", f"{others['accuracy']:.1%}", f"{100 * others['overconfidence']:+.1f}"]


def _audited(report: dict[str, Any]) -> str:
    """What `training.audit` found: the gap of each way to group, without those where two meet."""
    said = (
        f"{report['count']:,} faces of {report['data']}, in groups of at least {report['fewest']}. {found(report)} The "
        "widest gap between groups in points, and the worst group:"
    )
    text = textwrap.fill(said, width=120, break_on_hyphens=False)
    return f"{text}\n\n{gaps(report, crossed=False)}\n\nEvery group, and where two meet: `model_store/audit.md`."


def _compression(compression: dict[str, Any]) -> str:
    sizes = list(next(iter(compression["points"].values()))["milliseconds"])
    faces = [f"{size} face{'s' if size != '1' else ''}, ms" for size in sizes]
    header = ["network", "parameters, M", "MACs, M", "file, MB", *faces, "faster", "accuracy", "macro-F1"]
    rows = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for title, point in compression["points"].items():
        cells = [
            f"**{title}** (served)" if title == compression["shipped"] else title,
            f"{point['parameters'] / 1e6:.2f}",
            f"{point['macs'] / 1e6:.0f}",
            f"{point['bytes'] / 1e6:.2f}" if point["bytes"] else "–",
            *(f"{point['milliseconds'][size]:.2f}" for size in sizes),
            f"{point['faster']:.1f}×",
            f"{point['accuracy']:.2%}",
            f"{point['macro_f1']:.3f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _extremes(report: dict[str, Any]) -> tuple[str, str]:
    """The two classes with the highest recall and the two with the lowest, in words."""
    ranked = sorted(report["per_class"].items(), key=lambda item: item[1]["recall"])
    words = [f"{label} (recall {scores['recall']:.2f})" for label, scores in ranked]
    return f"{words[-1]} and {words[-2]}", f"{words[0]} and {words[1]}"


if __name__ == "__main__":
    main()
