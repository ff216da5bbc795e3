"""Renders the chat template of a tokenizer, which may be a stranger's program, within limits.

transformers renders templates in Jinja's sandbox, which reaches nothing outside. But a template can count to ten
billion, or write ``'a' * 20000000000``. Here every turn of a loop and every call is counted, and every operation that
makes long things of short ones states its size first. Filters and methods that no chat template needs are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import wraps

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from speechbrain_xser.errors import PromptError

MOST_SOURCE = 1 << 17  # characters of a template; the longest known has 20,000
MOST_CHARACTERS = 1 << 15  # of any text; also the values of a list, and the bits of a number
MOST_STEPS = 20_000  # turns of loops, calls and operations
MOST_WORK = 2_000_000  # steps, times the expressions of the template
A_STEP = 256  # characters that are worth one
FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items"),
    *("join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse"),
    *("round", "safe", "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper"),
)
METHODS = (
    *("capitalize", "count", "endswith", "find", "get", "index", "isalnum", "isalpha", "isdigit", "isspace", "items"),
    *("join", "keys", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rpartition"),
    *("rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper", "values"),
)
BUILTINS = (str, bytes, list, tuple, dict, int, float)  # whose methods are those above
FAULTS = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError)
UNREADABLE = (SyntaxError, MemoryError)  # of a template whose brackets are too many for Python


def render_chat(template: str, **values: object) -> str:
    """Renders a chat template.

    Arguments
    ---------
    template : str
        In Jinja, as transformers reads it.
    **values
        What it may name: ``messages``, ``add_generation_prompt``, special tokens.

    Returns
    -------
    str

    Raises
    ------
    PromptError
        If it is no template, fails, or needs more steps or longer texts than any chat template does.

    Example
    -------
    >>> render_chat("{% for turn in messages %}[{{ turn.role | upper }}]{% endfor %}", messages=[{"role": "user"}])
    '[USER]'
    >>> render_chat("{{ 'a' * 20000000000 }}")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.PromptError: the chat template cannot be rendered (a value of 20000000000; at most 32768 \
are allowed); try an empty system text, or another prompt style
    """
    try:
        if not isinstance(template, str):
            raise TypeError(f"it is {type(template).__name__}, not text")
        _bounded(len(template), MOST_SOURCE)
        environment = BoundedEnvironment()
        tree = _Counted().visit(environment.parse(template))
        expressions = sum(1 for _ in tree.find_all(nodes.Node))
        environment.left = min(MOST_STEPS, MOST_WORK // expressions)
        compiled = environment.template_class.from_code(environment, environment.compile(tree), {**environment.globals})
        return environment.concat(compiled.generate(values))
    except (*FAULTS, *UNREADABLE) as error:
        told = f"{str(error).strip() or type(error).__name__}"
        raise PromptError(
            f"the chat template cannot be rendered ({told}); try an empty system text, or another prompt style"
        ) from error


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox of transformers, with a count of steps; for one rendering."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
        self.left = MOST_STEPS
        self.filters = {name: self._filter(name, self.filters[name]) for name in FILTERS} | {"tojson": _json}
        self.globals = {name: self.globals[name] for name in ("dict", "namespace")} | {"range": _range}
        self.globals |= {"raise_exception": _raised, "strftime_now": lambda form: datetime.now().strftime(form[:99])}

    def counted(self, values: Iterable) -> Iterator:
        """The turns of a loop."""
        for value in values:
            self.step()
            yield value

    def built(self, value: object) -> object:
        """A list or mapping that was made, unless what it holds, at any depth, is too much: it may be printed."""
        if isinstance(value, list | tuple | dict):
            held, characters = _held(value)
            _bounded(held + characters)
            self.step(range(held))
        return value

    def joined(self, parts: Sequence[object]) -> str:
        """Texts, one after another (``~``)."""
        return self.concat(map(str, parts))

    def concat(self, parts: Iterable[str]) -> str:  # type: ignore[override]
        """Whatever is rendered or captured, one after another."""
        kept, total = [], 0
        for part in parts:
            self.step(part)
            total += len(part)
            _bounded(total)
            kept.append(part)
        return "".join(kept)

    def step(self, *values: object) -> None:
        """Counts a step, and one for every value of a list, or every few characters of a text, that it handles."""
        sizes = ((_size(value), isinstance(value, str)) for value in values)
        self.left -= 1 + sum(size // A_STEP if text else size for size, text in sizes)
        if self.left < 0:
            raise SecurityError("it takes too many steps")

    def call(self, __context: Context, __obj: object, *args: object, **kwargs: object) -> object:  # noqa: PYI063
        """Counts a call, and leaves out methods that no template needs."""
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, BUILTINS):
            if name not in METHODS:
                raise SecurityError(f"method {name!r} is not one of a chat template's")
            args = (list(args[0]), *args[1:]) if name == "join" and args else args
            _bounded(_length_of(name, owner, args))
        self.step(*(() if owner is self else (owner, *args)))
        return self.built(super().call(__context, __obj, *args, **kwargs))

    def wrap_str_format(self, value: object) -> None:
        """Refuses the formatting of texts, whose result has any width."""
        if getattr(value, "__name__", "") in ("format", "format_map"):
            raise SecurityError("formatting is not one of a chat template's operations")

    def call_binop(self, context: Context, operator_: str, left: object, right: object) -> object:
        """An operation, unless its result is too large."""
        self.step(left, right)
        if operator_ in ("*", "**"):
            _bounded(_product(operator_, left, right))
        elif operator_ == "+":
            _bounded(_size(left) + _size(right))
        elif operator_ == "%" and isinstance(left, str):
            raise SecurityError("formatting is not one of a chat template's operations")
        return self.built(super().call_binop(context, operator_, left, right))

    def _filter(self, name: str, function: Callable) -> Callable:
        """A filter that counts what it is given, and states its size where it can grow."""
        if name not in ("join", "replace"):
            return _counting(self.step, function)

        def replaced(evaluated: object, value: object, old: object = "", new: object = "", count: int = -1) -> str:
            value = str(value)
            self.step(value)
            _bounded(_length_of("replace", value, (str(old), str(new))))
            return value.replace(str(old), str(new), -1 if count is None else count)

        def joined(value: Iterable, d: object = "", attribute: str | int | None = None) -> str:
            parts = [str(part if attribute is None else self.getitem(part, attribute)) for part in self.counted(value)]
            self.step(*parts)
            _bounded(_length_of("join", str(d), (parts,)))
            return str(d).join(parts)

        if name == "join":
            return joined
        return lambda value, *args: replaced(None, value, *args)


class Generation(Extension):
    """The block ``generation`` of transformers, which marks answers and changes nothing."""

    tags = frozenset(("generation",))

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Its body."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Counted(NodeTransformer):
    """Has the environment count the turns of loops and the length of joined texts."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802, named by Jinja
        """A loop over counted turns."""
        self.generic_visit(node)
        if node.recursive:
            raise SecurityError("recursive loops are not a chat template's")
        node.iter = _asked("counted", node.iter)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Call:  # noqa: N802, named by Jinja
        """Has what it holds counted."""
        self.generic_visit(node)
        return _asked("built", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Call:  # noqa: N802, named by Jinja
        """Has what it holds counted."""
        self.generic_visit(node)
        return _asked("built", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Tuple | nodes.Call:  # noqa: N802, named by Jinja
        """Has what it holds counted, unless it is names that are given values."""
        self.generic_visit(node)
        return node if node.ctx != "load" else _asked("built", node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802, named by Jinja
        """Texts that are joined within the limit."""
        self.generic_visit(node)
        return _asked("joined", nodes.List(node.nodes, lineno=node.lineno))


def _asked(name: str, value: nodes.Expr) -> nodes.Call:
    """A call of the environment's own method."""
    line = {"lineno": value.lineno}
    return nodes.Call(nodes.EnvironmentAttribute(name, **line), [value], [], None, None, **line)


def _counting(step: Callable[..., None], function: Callable) -> Callable:
    """The same function, with what Jinja hands to it, that counts its calls."""

    @wraps(function)
    def counted(*args: object, **kwargs: object) -> object:
        step(*args)
        return function(*args, **kwargs)

    return counted


def _json(value: object, ensure_ascii: bool = False, indent: int | None = None, **options: object) -> str:
    """JSON as transformers writes it for templates."""
    if isinstance(indent, str) or (indent or 0) > 8:
        raise SecurityError(f"an indent of {indent!r}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _raised(message: str) -> None:
    raise TemplateError(message)


def _range(*bounds: int) -> range:
    values = range(*bounds)
    _bounded(len(values))
    return values


def _bounded(size: float, most: int = MOST_CHARACTERS) -> None:
    if size > most:
        raise SecurityError(f"a value of {size:.0f}; at most {most} are allowed")


def _size(value: object) -> int:
    """Characters of a text, values of a list; of anything else 1."""
    return len(value) if isinstance(value, str | list | tuple | dict | range) else 1


def _held(value: object) -> tuple[int, int]:
    """Values and characters within a list or mapping, at any depth, counted no further than is allowed."""
    waiting, held, characters = [value], 0, 0
    while waiting and held + characters <= MOST_CHARACTERS:
        part = waiting.pop()
        if isinstance(part, list | tuple | dict):
            held += len(part)
            waiting.extend((*part, *part.values()) if isinstance(part, dict) else part)
        elif isinstance(part, str):
            characters += len(part)
    return held, characters


def _product(sign: str, left: object, right: object) -> float:
    """Bits of a number, or the size of anything else, that ``*`` or ``**`` gives."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length(), right.bit_length()
        return sum(bits) if sign == "*" else bits[0] * min(abs(right), MOST_CHARACTERS + 1)
    times = max(left if isinstance(left, int) else 0, right if isinstance(right, int) else 0)
    return max(_size(left), _size(right)) * times


def _length_of(name: str, owner: object, args: Sequence[object]) -> int:
    """How long the result of a method can be."""
    if name == "replace" and isinstance(owner, str) and len(args) > 1:
        times = owner.count(str(args[0])) if args[0] else len(owner) + 1
        return len(owner) + times * len(str(args[1]))
    if name == "join" and args:
        parts = list(args[0])
        return sum(map(len, parts)) + len(owner) * len(parts)
    return 0
