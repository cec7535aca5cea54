"""The hybrid: a classical classifier on the features of a trained network, in one bundle with it.

The features of a network and a support vector machine (Tang 2013, *Deep Learning using Linear Support Vector Machines*,
arXiv 1306.0239), k nearest neighbours or logistic regression. Needs the ``hybrid`` extra (scikit-learn, skl2onnx) and
no torch: the features come from a bundle.

    fitted = hybrid.fit(folder, faces, split, section)      # features → search by cross-validation → classifier
    card = hybrid.export(fitted, folder)                    # network and classifier in one ONNX graph

Only the part ``train`` is fitted on and searched over. Where the network was trained on it too, it knows these faces
better than it knows others, so the cross-validated scores are too high: they rank settings, and the scores on the other
parts are the ones to quote.
"""

from mien.training.hybrid.bundling import export
from mien.training.hybrid.fitting import Fitted, estimate, fit
from mien.training.hybrid.tuning import Candidate, Estimate, Progress, write_search

__all__ = ["Candidate", "Estimate", "Fitted", "Progress", "estimate", "export", "fit", "write_search"]
