"""A page of Markdown as HTML that stands alone: its figures are in it, it loads nothing."""

import base64
import re
from pathlib import Path

from markdown_it import MarkdownIt

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid #8884; text-align: left; white-space: nowrap; }
th { border-bottom-width: 2px; } tr:hover td { background: #8882; }
img { max-width: 100%; background: white; } code { font-size: 13px; }
"""


def to_html(text: str, title: str, folder: Path) -> str:
    """The page; its images are files below `folder`.

    Raises:
        OSError: an image that is not there.
    """
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    body = re.sub(r'<img src="([^"]+)"', lambda found: f'<img src="{_inline(folder / found[1])}"', body)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}</body></html>\n'
    )


def _inline(path: Path) -> str:
    """The drawing beside a picture, which is sharp at any size, as a data address."""
    drawing = path.with_suffix(".svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.read_bytes()).decode()}"
