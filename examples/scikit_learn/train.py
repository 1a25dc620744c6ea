"""Boosts trees on images of digits: python train.py ROUNDS RATE LEAVES BINS SPLIT SEED

In the search it learns on one part of the search's rows and is judged on the others; in the
verification on all of them, and is judged on rows that no search has seen.
"""

import sys

from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

rounds, rate, leaves, bins = (
    int(sys.argv[1]),
    float(sys.argv[2]),
    int(sys.argv[3]),
    int(sys.argv[4]),
)
split, seed = sys.argv[5], int(sys.argv[6])
images, digits = load_digits(return_X_y=True)
rest, test, rest_digits, test_digits = train_test_split(
    images, digits, test_size=0.3, random_state=0, stratify=digits
)
if split == "search":
    rest, test, rest_digits, test_digits = train_test_split(
        rest, rest_digits, test_size=0.3, random_state=seed, stratify=rest_digits
    )
model = HistGradientBoostingClassifier(
    max_iter=rounds, learning_rate=rate, max_leaf_nodes=leaves, max_bins=bins, random_state=seed
)
model.fit(rest, rest_digits)
print(f"accuracy={model.score(test, test_digits):.4f}")
