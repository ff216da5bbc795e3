"""A chat template is rendered as transformers renders it, within a count of steps and of characters."""

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from speechbrain_xser.decoder.chat_template import MOST_CHARACTERS, MOST_STEPS, render_chat
from speechbrain_xser.errors import PromptError

TURNS = [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "A\nB <x>"}]
ORDINARY = {
    "turns": "{% for m in messages %}{{ '<|' + m['role'] + '|>' }}\n{{ m.content | trim }}{% endfor %}",
    "joined texts": "{% for m in messages %}{{ m.role ~ ': ' ~ m['content'] ~ loop.index0 }}{% endfor %}",
    "first and last": "{% for m in messages %}{% if not loop.first %}, {% endif %}{{ m.role }}{% endfor %}{{ loop }}",
    "a namespace": "{% set n = namespace(a=0) %}{% for m in messages %}{% set n.a = n.a + 1 %}{% endfor %}{{ n.a }}",
    "a macro": "{% macro f(m) %}[{{ m.role | upper }}]{% endmacro %}{% for m in messages %}{{ f(m) }}{% endfor %}",
    "backwards": "{% for m in messages[::-1] %}{{ m.content.split(' ')[-1].lstrip('\\n') }}{% endfor %}",
    "JSON": "{{ messages[1] | tojson(indent=4) }}{{ '<a>' | tojson }}",
    "filters": "{{ messages | map(attribute='role') | join(', ') }}",
    "selected": "{{ messages | selectattr('role', 'eq', 'user') | list }}",
    "replaced": "{{ messages[1].content | replace('A', 'C') }}{{ messages[1].content.replace('B', 'D') }}",
    "joined by a method": "{{ ', '.join(messages | map(attribute='role')) }}",
    "a captured text": "{% set a %}{% for m in messages %}{{ m.role }}{% endfor %}{% endset %}{{ a | length }}",
    "arithmetic": "{{ (messages | length) * 3 % 4 + 2 ** 3 - 7 // 2 }}{{ 'ab' * 3 }}",
    "broken off": "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}",
    "filtered": "{% for m in messages if m.role == 'user' %}{{ m.content }}{% else %}none{% endfor %}",
    "generation": "{% generation %}{{ messages[0].role }}{% endgeneration %}",
    "special tokens": "{{ bos_token }}{% if tools is defined and tools %}tools{% endif %}{{ x is defined }}",
    "a dictionary": "{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}{{ dict(a=1) }}",
}


@pytest.mark.parametrize("template", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_template_gives_what_transformers_gives(template):
    [expected], _ = render_jinja_template([TURNS], chat_template=template, add_generation_prompt=True, bos_token="<s>")
    values = {"messages": TURNS, "add_generation_prompt": True, "tools": None, "documents": None, "bos_token": "<s>"}
    assert render_chat(template, **values) == expected


def test_as_many_steps_as_are_allowed_are_taken_and_no_more():
    loop = "{{% for a in range({}) %}}{{% endfor %}}"
    assert render_chat(loop.format(MOST_STEPS - 10)) == ""
    with pytest.raises(PromptError, match="too many steps"):
        render_chat(loop.format(MOST_STEPS))


def test_a_text_as_long_as_is_allowed_is_rendered_and_none_longer():
    text = "{{ 'a' * times }}"
    assert len(render_chat(text, times=MOST_CHARACTERS)) == MOST_CHARACTERS
    with pytest.raises(PromptError, match=f"at most {MOST_CHARACTERS}"):
        render_chat(text, times=MOST_CHARACTERS + 1)


@pytest.mark.parametrize("shown", ["{{ a }}", "{{ a | tojson }}", "{{ a | string }}", "{{ [a] | join }}", ""])
@pytest.mark.parametrize(
    "doubled",
    ["{% set a = [a, a] %}", "{% set a = (a, a) %}", "{% set a = {1: a, 2: a} %}", "{% set a = dict(b=a, c=a) %}"],
)
def test_a_list_that_holds_itself_twice_again_and_again_is_refused(doubled, shown):
    with pytest.raises(PromptError, match="too many steps"):
        render_chat("{% set a = [1] %}" + 40 * doubled + shown)


def test_a_list_of_many_long_texts_is_refused():
    with pytest.raises(PromptError, match="a value of"):
        render_chat("{% set a = 'a' * 30000 %}{{ [a] * 20000 }}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}{{ ''.__class__.mro() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception.__globals__['os'].system('true') }}",
        "{{ 'a' | attr('__class__') }}",
        "{% include '/etc/hostname' %}",
        "{% import 'os' as os %}",
        "{{ 'a' | pprint | wordwrap(1) }}",
        "{{ [1].append(2) }}",
    ],
)
def test_a_template_that_reaches_out_is_refused_or_finds_nothing(template):
    try:
        assert render_chat(template, messages=TURNS) == ""
    except PromptError as error:
        assert "cannot be rendered" in str(error)
