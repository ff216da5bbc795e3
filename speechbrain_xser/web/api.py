"""How a program asks the server: two endpoints of Gradio's, and the text that says so."""

from __future__ import annotations

TEXT = """
Two endpoints do what the page does and return JSON. Nothing that is sent is kept. Gradio's own description of them is
at [{address}gradio_api/info]({address}gradio_api/info).

| endpoint | takes | returns |
|---|---|---|
| `/explain` | `clip`, a file; `voice`, another clip or nothing | the explanation and its evidence; `speech` is false, \
and nothing else is told, where nobody speaks |
| `/timeline` | `recording`, a long file | `moments` with their explanations; `fault`, if it ends early |

### Python

`pip install gradio_client`

```python
from gradio_client import Client, handle_file

client = Client("{address}", analytics_enabled=False)
told = client.predict(clip=handle_file("clip.wav"), voice=None, api_name="/explain")
print(told["paragraph"], told["probabilities"])
for moment in client.predict(recording=handle_file("meeting.mp3"), api_name="/timeline")["moments"]:
    print(moment["start_seconds"], moment["emotion"], moment["transcript"])
```

### curl

A file is sent first; then the question is asked, and its answer fetched by the number that comes back.

```bash
ADDRESS={address}gradio_api
FILE=$(curl -s $ADDRESS/upload -F files=@clip.wav | cut -d '"' -f 2)
CLIP='{{"path": "'$FILE'", "meta": {{"_type": "gradio.FileData"}}}}'
EVENT=$(curl -s $ADDRESS/call/explain -H "Content-Type: application/json" -d '{{"data": ['"$CLIP"', null]}}' \\
  | cut -d '"' -f 4)
curl -sN $ADDRESS/call/explain/$EVENT
```

A file that cannot be used ends the last call with `event: error`; in Python an `AppError` says what is wrong.
"""


def api_text(address: str) -> str:
    """Markdown for people who write programs.

    Arguments
    ---------
    address : str
        Of the server, with a slash at its end.

    Returns
    -------
    str

    Example
    -------
    >>> 'Client("http://127.0.0.1:7860/"' in api_text("http://127.0.0.1:7860/")
    True
    """
    return TEXT.format(address=address)
