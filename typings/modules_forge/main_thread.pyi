from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

def run_and_wait_result(func: Callable[[], T]) -> T: ...
