"""Refuses pages with a link to a place of these pages that is not there, and pages that fetch a part from elsewhere."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# What browsers fetch by themselves.
_FETCHED = {("img", "src"), ("script", "src"), ("source", "src"), ("iframe", "src"), ("link", "href")}


class Page(HTMLParser):
    """The places of a page, where its links lead, and what it is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.parts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down what a tag says."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif (tag, name) in _FETCHED and value:
                self.parts.append(value)
            elif name == "href" and value:
                self.links.append(value)


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each link of the pages in a folder that leads nowhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(folder)
        for link in [*page.links, *page.parts]:
            address = urlsplit(link)
            if address.scheme == "data":
                continue
            if address.scheme or address.netloc:
                if link in page.parts:
                    yield f"{name} would fetch {link}"
                continue
            target = path.parent / unquote(address.path) if address.path else path
            target = target.resolve()
            if not target.exists():
                yield f"{name} leads to {link}, which is not there"
            elif address.fragment and target in pages and unquote(address.fragment) not in pages[target].places:
                yield f"{name} leads to {link}: there is no such place on that page"


def check(app: Sphinx, failed: Exception | None) -> None:
    """Look at the pages when they are written."""
    if failed is None and app.builder.format == "html":
        found = list(problems(Path(app.outdir)))
        if found:
            raise ExtensionError("links that lead nowhere:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx what there is."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
