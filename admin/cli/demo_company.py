"""Where the demo company is: beside an installed command, or in the source tree."""

from pathlib import Path

_INSTALLED = Path(__file__).parent / "demo_company"

EXAMPLES = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "examples" / "demo"
CARTS = EXAMPLES / "carts"
