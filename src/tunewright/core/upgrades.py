"""Upgrades: events as older versions wrote them, in the shape of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]


def upgraded(kind: str, body: Body) -> tuple[str, Body]:
    """The kind and body of an event that any version wrote, as this version writes it.

    Version 1 wrote NaN, which is no JSON, but Python reads it as the number that it is.
    """
    if kind == "Progressed":  # version 1 told the stages of a trial
        return "Reported", {**body, "step": 0.0}
    if kind == "Started" and "exclusive" in body["trial"]:
        return kind, {**body, "trial": _trial(body["trial"])}
    if kind == "Opened" and isinstance(body.get("knobs"), Mapping):
        return kind, _opened(body)
    if kind == "Opened":
        return kind, {**body, "knobs": [*map(_knob, body.get("knobs", ()))]}
    return kind, body


def _trial(body: Body) -> Body:
    old, alone = body["fidelity"], body["exclusive"]
    piece = {name: old[name] for name in ("split", "fold", "seed", "repeat")}
    effort = {} if old["rows"] == 1.0 else {"rows": old["rows"]}
    since = old["through"] if alone else ""
    need = {"alone": alone, "lane": body["lane"], "process": "lane" if body["lane"] else "any"}
    fidelity = {"through": old["through"], "since": since, "effort": effort, "piece": piece}
    return {**body, "fidelity": fidelity, "need": need}


def _opened(body: Body) -> Body:
    """Version 1 kept knobs as text, which nothing can be read from again."""
    request = body.get("request", {})
    options = request.get("options", {})
    arms = options.get("lines") or options.get("labels") or {}
    metrics = [{**metric, "quiet": metric["unit"] == "s"} for metric in body.get("metrics", ())]
    return {**body, "metrics": metrics, "knobs": [], "arms": arms}


def _knob(body: Body) -> Body:
    """Version 2 knew one condition alone: that another knob has one of some values."""
    when = body.get("when")
    if not isinstance(when, Mapping) or "values" not in when:
        return body
    return {**body, "when": {"text": f"{when['knob']} in {tuple(when['values'])!r}"}}
