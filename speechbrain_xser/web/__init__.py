"""The page of ``xser serve``: Gradio around the recogniser, and nothing of a user kept."""
