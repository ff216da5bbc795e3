"""Hostile tokenizers and chat templates."""

from __future__ import annotations

from speechbrain_xser.errors import BackboneError, PromptError
from tests.faults.hostile.corpus import CHAT, INSIDE, json_file, kind, seal

GROWS = "multiplies"
NEVER_ENDS = r"(\w|\w\w|.)*[^\s\S]"  # the library panics when it has tried ten million ways


def _tokenizer(folder, **parts):
    """Changes parts of a tokenizer, and has transformers take them as they are: Llama's class has parts of its own."""
    with json_file(folder, "llm/tokenizer.json") as tokenizer:
        tokenizer.update(parts)
    with json_file(folder, "llm/tokenizer_config.json") as config:
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    seal(folder)


def _tenfold(times):
    replaced = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    return {"type": "Sequence", "normalizers": [replaced] * times}


@kind(BackboneError, GROWS, INSIDE)
def a_normaliser_that_multiplies_its_text_ten_times(folder):
    _tokenizer(folder, normalizer=_tenfold(10))


@kind(BackboneError, GROWS, INSIDE)
def a_normaliser_that_inserts_between_all_characters(folder):
    inserted = {"type": "Replace", "pattern": {"Regex": ""}, "content": "x" * 1000}
    _tokenizer(folder, normalizer={"type": "Sequence", "normalizers": [inserted] * 3})


@kind(BackboneError, GROWS, INSIDE)
def a_normaliser_that_multiplies_added_tokens(folder):
    more = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    with json_file(folder, "llm/tokenizer.json") as tokenizer:
        tokenizer["added_tokens"].append({"id": 1199, "content": "aaaa", **more})
    _tokenizer(folder, normalizer=_tenfold(12))


@kind(BackboneError, GROWS, INSIDE)
def a_decoder_that_multiplies_its_text_ten_times(folder):
    replaced = {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 10}
    _tokenizer(folder, decoder={"type": "Sequence", "decoders": [*[replaced] * 12, {"type": "Fuse"}]})


@kind(BackboneError, "expression", INSIDE)
def a_normaliser_whose_expression_never_ends(folder):
    replaced = {"type": "Replace", "pattern": {"Regex": NEVER_ENDS}, "content": ""}
    _tokenizer(folder, normalizer=replaced)


@kind(BackboneError, "expression", INSIDE)
def a_pre_tokenizer_whose_expression_never_ends(folder):
    split = {"type": "Split", "pattern": {"Regex": NEVER_ENDS}, "behavior": "Isolated", "invert": False}
    _tokenizer(folder, pre_tokenizer=split)


@kind(None, "", INSIDE)
def padding_to_ten_billion_tokens(folder):
    fixed = {"strategy": {"Fixed": 10**10}, "direction": "Right", "pad_to_multiple_of": None}
    _tokenizer(folder, padding={**fixed, "pad_id": 5, "pad_type_id": 0, "pad_token": "<|pad|>"})


@kind(BackboneError, "", INSIDE)
def a_tokenizer_of_an_unknown_kind(folder):
    _tokenizer(folder, model={"type": "Telepathy"})


@kind(BackboneError, "", INSIDE)
def a_tokenizer_that_is_a_list(folder):
    (folder / "llm" / "tokenizer.json").write_text("[1]")
    seal(folder)


@kind(BackboneError, "", INSIDE)
def a_tokenizer_class_that_does_not_exist(folder):
    with json_file(folder, "llm/tokenizer_config.json") as config:
        config["tokenizer_class"] = "os.system"
    (folder / "llm" / "tokenizer.json").unlink()
    seal(folder)


@kind(BackboneError, "tokens", INSIDE)
def forty_thousand_added_tokens(folder):
    with json_file(folder, "llm/tokenizer_config.json") as config:
        config["added_tokens_decoder"] = {
            str(number): {"content": f"<{number}>", "special": True} for number in range(6, 40_000)
        }


@kind(BackboneError, "", INSIDE)
def special_tokens_that_are_numbers(folder):
    with json_file(folder, "llm/tokenizer_config.json") as config:
        config["eos_token"] = 4


def _number(folder, number):
    """Gives the last token of the vocabulary another number."""
    with json_file(folder, "llm/tokenizer.json") as tokenizer:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary[max(vocabulary, key=vocabulary.get)] = number
    seal(folder)


@kind(BackboneError, "embeddings", INSIDE)
def a_token_beyond_the_embeddings(folder):
    _number(folder, 5000)


@kind(BackboneError, "ids", INSIDE)
def a_token_of_four_billion(folder):
    _number(folder, 4_000_000_000)


def _template(folder, text):
    with json_file(folder, "llm/tokenizer_config.json") as config:
        config["chat_template"] = text


LOOPS = "{% for a in range(30000) %}{% for b in range(30000) %}{% endfor %}{% endfor %}"


@kind(PromptError, "steps", CHAT)
def a_template_with_loops_in_loops(folder):
    _template(folder, LOOPS)


@kind(PromptError, "steps", CHAT)
def a_template_file_with_loops_in_loops(folder):
    with json_file(folder, "llm/tokenizer_config.json") as config:
        del config["chat_template"]
    (folder / "llm" / "chat_template.jinja").write_text(LOOPS)


@kind(PromptError, "a value of", CHAT)
def a_template_that_multiplies_a_letter(folder):
    _template(folder, "{{ 'a' * 20000000000 }}")


@kind(PromptError, "a value of", CHAT)
def a_template_that_multiplies_a_list(folder):
    _template(folder, "{{ ([1] * 20000000000) | length }}")


@kind(PromptError, "a value of", CHAT)
def a_template_that_doubles_a_text(folder):
    doubled = "{% set n.a = n.a ~ n.a %}"
    _template(folder, "{% set n = namespace(a='aaaaaaaa') %}{% for i in range(60) %}" + doubled + "{% endfor %}")


@kind(PromptError, "a value of", CHAT)
def a_template_that_adds_a_text_to_itself(folder):
    doubled = "{% set n.a = n.a + n.a %}"
    _template(folder, "{% set n = namespace(a='aaaaaaaa') %}{% for i in range(60) %}" + doubled + "{% endfor %}")


@kind(PromptError, "steps", CHAT)
def a_template_that_calls_itself_twice(folder):
    _template(folder, "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}")


@kind(PromptError, "too many steps", CHAT)
def a_template_that_doubles_a_list(folder):
    _template(folder, "{% set a = [1] %}" + 40 * "{% set a = [a, a] %}" + "{{ a | tojson }}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_calls_itself_for_ever(folder):
    _template(folder, "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")


@kind(PromptError, "filter", CHAT)
def a_template_that_pads_a_text(folder):
    _template(folder, "{{ 'a' | center(20000000000) }}")


@kind(PromptError, "formatting", CHAT)
def a_template_that_formats_a_number_widely(folder):
    _template(folder, "{{ '%20000000000d' % 1 }}")


@kind(PromptError, "method", CHAT)
def a_template_that_justifies_a_text(folder):
    _template(folder, "{{ 'a'.ljust(20000000000) }}")


@kind(PromptError, "formatting", CHAT)
def a_template_that_formats_a_text_widely(folder):
    _template(folder, "{{ '{:>20000000000}'.format('a') }}")


@kind(PromptError, "a value of", CHAT)
def a_template_of_a_power(folder):
    _template(folder, "{{ 9 ** (9 ** 9) }}")


@kind(PromptError, "a value of", CHAT)
def a_template_that_captures_without_end(folder):
    filled = "{% for a in range(9000) %}" + "x" * 9000 + "{% endfor %}"
    _template(folder, "{% set a %}" + filled + "{% endset %}{{ a | length }}")


@kind(PromptError, "a value of", CHAT)
def a_template_that_replaces_letters_by_texts(folder):
    grown = "{% set n.a = n.a | replace('a', 'a' ~ n.a) %}"
    _template(folder, "{% set n = namespace(a='aa') %}{% for i in range(9) %}" + grown + "{% endfor %}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_is_no_template(folder):
    _template(folder, "{% for %}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_adds_a_text_to_a_number(folder):
    _template(folder, "{{ 1 + 'a' }}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_divides_by_nothing(folder):
    _template(folder, "{{ 1 / 0 }}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_reaches_for_python(folder):
    _template(folder, "{{ ''.__class__.__mro__[1].__subclasses__() }}")


@kind(PromptError, "chat template", CHAT)
def a_template_of_ten_thousand_brackets(folder):
    _template(folder, "{{ " + "(" * 10000 + "1" + ")" * 10000 + " }}")


@kind(PromptError, "chat template", CHAT)
def a_template_that_is_a_number(folder):
    _template(folder, 5)


@kind(PromptError, "chat template", CHAT)
def templates_of_which_none_is_the_default(folder):
    _template(folder, [{"name": "tools", "template": "a"}, {"name": "other", "template": "b"}])


@kind(BackboneError, "", CHAT)
def templates_without_names(folder):
    _template(folder, [{"template": "a"}, 5])


@kind(PromptError, "recursive", CHAT)
def a_template_of_recursive_loops(folder):
    nested = "{% for a in range(9) recursive %}{{ loop(range(30000)) if loop.depth < 4 }}{% endfor %}"
    _template(folder, nested)


@kind(PromptError, "steps", CHAT)
def a_template_that_maps_long_ranges(folder):
    _template(folder, "{% for a in range(9000) %}{{ range(30000) | map('abs') | list | length }}{% endfor %}")


@kind(PromptError, "steps", CHAT)
def a_template_of_a_long_loop_body(folder):
    _template(folder, "{% for a in range(19000) %}" + "{% if 'x' in 'yyyy' %}{% endif %}" * 3000 + "{% endfor %}")
