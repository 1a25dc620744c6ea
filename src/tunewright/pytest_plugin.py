"""The pytest fixture `tunewright_verify`: a verified comparison in a project's own test suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tunewright.core.registry import resolve

if TYPE_CHECKING:
    from tunewright.session import Result

# Imported when a test asks for them: all other tests of the project must not wait.
COMPARISON = "tunewright.comparing:verify"
INTERRUPTED = "tunewright.session:Interrupted"
SUMMARY = "tunewright.reporting.summary:summary"
TEXT = "tunewright.reporting.text:render_text"


@pytest.fixture
def tunewright_verify(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Result]:
    """`tunewright.verify` with its study in the test's own directory.

    What it found is printed as a section of its own where the test fails:

        def test_the_new_parser_is_no_slower(tunewright_verify):
            question = tunewright.Question(noninferior=["call_s: 5%"])
            result = tunewright_verify(old, new, args=(text,), question=question)
            assert result.accepted
    """

    def verify(*programs: Any, **options: Any) -> Result:
        try:
            result: Result = resolve(COMPARISON)(*programs, root=tmp_path / "tunewright", **options)
        except resolve(INTERRUPTED):
            raise KeyboardInterrupt from None
        text = resolve(TEXT)(resolve(SUMMARY)(result.history, result.goal))
        request.node.add_report_section("call", "tunewright", text)
        return result

    return verify
