"""A page of Markdown as HTML that stands alone: its figures are in it, it loads nothing."""

import base64
import re
from collections.abc import Callable
from html import unescape
from urllib.parse import unquote

from markdown_it import MarkdownIt

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid #8886; }
p, li { max-width: 60rem; }
.wide { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.4rem; border-bottom: 1px solid #8884; text-align: left; vertical-align: top; }
th { border-bottom-width: 2px; vertical-align: bottom; } td.number { white-space: nowrap; }
tr:hover td { background: #8882; }
td code { overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; margin: 0.5rem 0; }
img { width: 100%; max-width: 70rem; min-width: 44rem; background: white; } code { font-size: 13px; }
"""


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading: so the same links work there."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def to_html(text: str, title: str, read: Callable[[str], bytes]) -> str:
    """The page; `read` gives the SVG drawing of an image by the path that the text has of its PNG, but for the suffix.

    Raises:
        OSError, KeyError: an image that is not there, as `read` does.
    """
    body = MarkdownIt("commonmark").enable("table").render(text)
    body = re.sub(r"<h(\d)>(.*?)</h\1>", lambda m: f'<h{m[1]} id="{slug(m[2])}">{m[2]}</h{m[1]}>', body)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    body = re.sub(r"<th>.*?</th>", lambda m: re.sub(r"(?<=[_@])", "<wbr>", m[0]), body)
    body = re.sub(r"<td>(?=[-+±\d][^<]{0,17}</td>)", '<td class="number">', body)
    body = re.sub(
        r'<p><img src="([^"]+)"(.*?)></p>', lambda m: _inline(read(_drawing(unquote(unescape(m[1])))), m[2]), body
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}</body></html>\n'
    )


def _drawing(picture: str) -> str:
    """The drawing beside a picture is sharp at any size."""
    return picture.removesuffix(".png") + ".svg"


def _inline(drawing: bytes, attributes: str) -> str:
    """As a data address; a narrow screen scrolls the figure, not the page."""
    data = base64.b64encode(drawing).decode()
    return f'<div class="wide"><img src="data:image/svg+xml;base64,{data}"{attributes}></div>'
