"""The loss and the gradients of LoRA, row by row through transformers and PEFT: what a packed step is compared with."""

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy

from speechbrain_xser.stages import CAPTION
from tests.decoder.conftest import pair, row_of, soft_tokens

ANSWERS = ["the way he talks about people", "", "kids are talking by the door", "it is eleven o'clock", "no"] * 2
CONTENT, DESCRIPTOR = soft_tokens([4, 1, 7, 3, 2] * 2, seed=1), soft_tokens([2, 5, 3, 1, 8] * 2, seed=2)
TOKENS = pair(CONTENT, DESCRIPTOR)


def peft_reference(llm, decoder):
    """Loss and the gradient of every LoRA tensor, from the same weights in PEFT's layers, row by row."""
    config = LoraConfig(r=16, lora_alpha=32, target_modules=r".*(_proj|query_key_value|dense.*)", bias="none")
    model = get_peft_model(llm, config).eval()
    ours = {name.removeprefix("llm."): tensor for name, tensor in decoder.named_parameters() if ".lora_" in name}
    theirs = {name: tensor for name, tensor in model.named_parameters() if ".lora_" in name}
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        tensor.data.copy_(ours[name].data)
    embed, loss = model.get_input_embeddings(), 0.0
    for row, answer in enumerate(ANSWERS):
        ids = decoder.answer_tokens([answer])[0]
        texts = [*decoder.template.segments(CAPTION, decoder.tokenizer), ids[:-1]]
        opening, between, closing, said = (embed(torch.tensor([text], dtype=torch.long)) for text in texts)
        content, how = row_of(CONTENT, row).embeddings, row_of(DESCRIPTOR, row).embeddings
        logits = model(inputs_embeds=torch.cat([opening, content, between, how, closing, said], 1)).logits[0]
        loss = loss + cross_entropy(logits[-len(ids) :], torch.tensor(ids), reduction="sum")
    loss.backward()
    return loss, {name: tensor.grad for name, tensor in theirs.items()}
