"""Accuracy over the faces that were trained on, four ways, and as it was counted while learning."""

from __future__ import annotations

from mien.studies.measures.ran import Ran, share_of
from mien.studies.result import Quantity


def training_accuracy(ran: Ran, part: str) -> dict[str, Quantity]:
    """Measure the training accuracy of the kept weights with and without dropout and augmentation.

    Each face of the run's training part is counted once, however often it occurs there; of more than 30,000, that many
    are drawn. Batch norm uses its moving statistics in all four: only dropout is switched. The part plays no role.

    Returns:
        ``plain`` (dropout off, faces as they are), ``dropout`` (on), ``augmented`` (dropout off, faces augmented as in
        training, by other amounts than those learnt) and ``both``: shares with Wilson's interval. ``log``: the accuracy
        that ``log.csv`` has for the kept epoch, counted while the weights changed, with dropout, augmentation and
        whatever faces were mixed or repeated; no value where the log has none.
    """
    from mien.training.remeasure import opened, remeasure

    found = remeasure(opened(ran.folder, ran.recipe, ran.faces, ran.split))
    return {
        "plain": share_of(found.plain, found.n),
        "dropout": share_of(found.dropout, found.n),
        "augmented": share_of(found.augmented, found.n),
        "both": share_of(found.both, found.n),
        "log": Quantity("share", found.log),
    }
