"""Read by Python itself at its start where the knob `gc` is set: how often it looks for cycles."""

import gc
import os

_OFTEN = os.environ.get("TUNEWRIGHT_GC", "")
if _OFTEN == "off":
    gc.disable()
elif _OFTEN.isdigit():
    gc.set_threshold(int(_OFTEN))
