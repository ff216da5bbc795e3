"""The page of ``xser serve``: Gradio around the recogniser, without keeping any user's data."""
