"""Exact Shapley values: what each of n players adds, averaged over all orders in which they may join.

``share_i = sum over coalitions S without i of |S|! (n - |S| - 1)! / n! * (v(S and i) - v(S))``

Source: Shapley (1953, Contributions to the Theory of Games II).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import factorial

ALL, NONE = "all", "none"  # names of two coalitions; others are named by their branches, joined by a plus


def coalition(branches: Iterable[str], members: Iterable[str]) -> str:
    """The name of the coalition of the branches that are on.

    Example
    -------
    >>> [coalition("abc", members) for members in ("", "a", "ac", "abc")]
    ['none', 'a', 'a+c', 'all']
    """
    branches, members = list(branches), list(members)
    if len(members) in (0, len(branches)):
        return ALL if members else NONE
    return "+".join(name for name in branches if name in members)


def shapley_values(branches: Sequence[str], values: Mapping[str, float]) -> dict[str, float]:
    """The share of each branch, given the value of each of the 2^n coalitions by its name.

    Example
    -------
    >>> shapley_values(["a", "b"], {"none": 0.0, "a": 1.0, "b": 2.0, "all": 4.0})
    {'a': 1.5, 'b': 2.5}
    """
    shares, n = {}, len(branches)
    for name in branches:
        others, shares[name] = [other for other in branches if other != name], 0.0
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for rest in combinations(others, size):
                gain = values[coalition(branches, (*rest, name))] - values[coalition(branches, rest)]
                shares[name] += weight * gain
    return shares
