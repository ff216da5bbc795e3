"""Reads fragments of pages as a browser would, so that tests check what a reader sees."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img"}


class Reader(HTMLParser):
    """Collects elements, text, and every tag that is closed wrongly or not at all."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.faults, self.elements, self.words = [], [], [], []
        self.feed(page)
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def of(self, tag: str, **wanted: str) -> list[dict]:
        """Attributes of the elements with a tag name and the wanted attribute words."""
        found = [given for name, given in self.elements if name == tag]
        return [
            each for each in found if all(word in (each.get(key.rstrip("_")) or "") for key, word in wanted.items())
        ]
