"""Trains a small network on images of digits until it is good enough.

python train.py OPTIMIZER RATE BATCH WIDTH THREADS SPLIT SEED
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

GOOD, MOST_EPOCHS = 0.95, 200
name, rate, batch, width = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
threads, split, seed = int(sys.argv[5]), sys.argv[6], int(sys.argv[7])
torch.set_num_threads(threads)
torch.manual_seed(seed)
images, digits = load_digits(return_X_y=True)
images = images / 16
rest, test, rest_digits, test_digits = train_test_split(
    images, digits, test_size=0.3, random_state=0, stratify=digits
)
if split == "search":  # the rows of the test stay untouched
    rest, test, rest_digits, test_digits = train_test_split(
        rest, rest_digits, test_size=0.3, random_state=seed, stratify=rest_digits
    )
x, y = torch.tensor(rest, dtype=torch.float32), torch.tensor(rest_digits)
test_x, test_y = torch.tensor(test, dtype=torch.float32), torch.tensor(test_digits)
net = torch.nn.Sequential(
    torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(),
    torch.nn.Linear(width, 10),
)  # fmt: skip
makers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
optimizer = makers[name](net.parameters(), lr=rate)
for epoch in range(1, MOST_EPOCHS + 1):
    for rows in torch.randperm(len(x)).split(batch):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = float((net(test_x).argmax(1) == test_y).float().mean())
    print(f"epoch {epoch} accuracy={accuracy:.4f}", flush=True)
    if accuracy >= GOOD:
        break
else:
    sys.exit(f"expected an accuracy of {GOOD}; got {accuracy:.4f} after {MOST_EPOCHS} epochs")
