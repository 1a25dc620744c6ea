"""What the words of training texts say: topics by scikit-learn, weights by a linear model."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from tunewright.workloads.tabular.data import Floats, Ints, Text
from tunewright.workloads.tabular.features.text import terms_of
from tunewright.workloads.tabular.weighing import picked, weighed

MOST_TERMS = 10_000
LEAST_TEXTS = 2  # that a term is in
TOPICS = 12
MOST_TEXTS = 20_000  # that topics and weights are learned from
PENALTY = 1.0
STEPS = 15
_TINY = 1e-300


def learn_text(
    texts: Sequence[str], answers: Floats, fold: Ints, weights: Floats | None
) -> tuple[Text, Floats]:
    """The reader of these training texts, and what their answers would be by other folds' texts.

    answers: a column for each that is learned, none for topics alone. fold, weights: of each text.
    """
    terms, idf, matrix = _weighted(texts, weights)
    part = np.arange(0, len(texts), -(-len(texts) // MOST_TEXTS))
    topics = min(TOPICS, len(part) - 1, len(terms) - 1)
    slopes_of = [np.zeros((len(terms), 0))]
    with threadpool_limits(1):
        if topics > 0:
            counted = _counted(matrix[part], picked(weights, part))
            _, _, components = randomized_svd(counted, topics, random_state=0)
            slopes_of.append(components.T)
        of_words, offsets = _ridge(matrix[part], answers[part], picked(weights, part))
        own = np.empty(answers.shape)
        for f in np.unique(fold):
            here, learned = fold == f, part[fold[part] != f]
            slopes, start = _ridge(matrix[learned], answers[learned], picked(weights, learned))
            own[here] = matrix[here] @ slopes + start
    stored = np.hstack([*slopes_of, of_words, idf[:, None]]) * idf[:, None]
    offsets = np.concatenate((np.zeros(stored.shape[1] - 1 - len(offsets)), offsets))
    packed = b64encode(stored.astype("<f4").tobytes()).decode()
    return Text(tuple(terms), packed, tuple(offsets.tolist())), own


def _weighted(
    texts: Sequence[str], weights: Floats | None
) -> tuple[list[str], Floats, sparse.csr_matrix]:
    """The commonest terms, how rare each is, and the texts as rows of length one."""
    each = [set(terms_of(text)) for text in texts]
    counts = Counter(term for terms in each for term in terms)
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_TERMS]
    terms = [term for term, count in common if count >= LEAST_TEXTS]
    places = {term: place for place, term in enumerate(terms)}
    rows = [sorted(places[term] for term in terms if term in places) for terms in each]
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.array([place for row in rows for place in row], np.int32)
    having = np.array([counts[term] for term in terms])
    if weights is not None:
        having = np.bincount(columns, np.repeat(weights, np.diff(starts)), len(terms))
    total = len(texts) if weights is None else weights.sum()
    idf = np.log((1 + total) / (1 + having)) + 1
    matrix = sparse.csr_matrix((idf[columns], columns, starts), shape=(len(texts), len(terms)))
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).ravel()
    return terms, idf, sparse.diags(1 / np.maximum(norms, 1e-12)) @ matrix


def _counted(matrix: sparse.csr_matrix, weights: Floats | None) -> sparse.csr_matrix:
    """The rows, each as long as its part in a sum of squares."""
    return matrix if weights is None else (sparse.diags(np.sqrt(weights)) @ matrix).tocsr()


def _ridge(
    matrix: sparse.csr_matrix, answers: Floats, weights: Floats | None
) -> tuple[Floats, Floats]:
    """The weights of terms and the start of each answer: conjugate gradients, all answers at once.

    So few steps are enough, and are a penalty of their own (Hanke 1995).
    """
    slopes = np.zeros((matrix.shape[1], answers.shape[1]))
    if not matrix.shape[0]:
        return slopes, np.zeros(answers.shape[1])
    total = len(answers) if weights is None else weights.sum()
    start = weighed(answers, weights).sum(axis=0) / total
    across = matrix.T.tocsr()
    residual = across @ weighed(answers - start, weights)
    direction, size = residual.copy(), (residual**2).sum(axis=0)
    for _ in range(STEPS):
        curved = across @ weighed(matrix @ direction, weights) + PENALTY * direction
        step = size / np.maximum((direction * curved).sum(axis=0), _TINY)
        slopes += step * direction
        residual -= step * curved
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + size / np.maximum(before, _TINY) * direction
    return slopes, start
