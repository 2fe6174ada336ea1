"""One running installation for all acceptance tests; they run in one worker (`xdist_group`), and it ends with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.demo_play import Demo
from flows.cli.demo_stack import DemoStack, demo_stack
from flows.stack import running


@pytest.fixture(scope="package")
def stack_and_secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DemoStack, str]]:
    home: Path = tmp_path_factory.mktemp("stack")
    stack, secret = demo_stack(home, lambda text: print(text, file=sys.stderr))
    with running(stack):
        yield stack, secret


@pytest.fixture
def stack(stack_and_secret: tuple[DemoStack, str]) -> DemoStack:
    return stack_and_secret[0]


@pytest.fixture
def demo(stack_and_secret: tuple[DemoStack, str]) -> Iterator[Demo]:
    stack, secret = stack_and_secret
    hands = Demo(stack, secret, stack.say)
    yield hands
    hands.close()
