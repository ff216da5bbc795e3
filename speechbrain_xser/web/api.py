"""The server's API for programs: two Gradio endpoints, and the text that describes them."""

from __future__ import annotations

TEXT = """
Two endpoints do what the page does and return JSON. Uploads are not kept. Gradio's description of the endpoints is at
[{address}gradio_api/info]({address}gradio_api/info).

| endpoint | takes | returns |
|---|---|---|
| `/explain` | `clip`, a file; `voice`, another clip or nothing | the explanation and its evidence; without speech, \
`speech` is false and nothing else is claimed; `domain` is in, doubtful or out of what the model was trained on |
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

Upload the file first; then make the call, and fetch its result by the number that comes back.

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
    """The description in Markdown; ``address`` is the server's, with a slash at its end."""
    return TEXT.format(address=address)
