"""How many processes extract sessions: as many as this machine, or AWS, has cores for."""

import os

import pytest

from agnes.settings import usable_cores


@pytest.mark.parametrize(("memory", "most"), [("128", 1), ("1769", 1), ("3537", 1), ("3538", 2), ("10240", 5)])
def test_a_function_has_a_core_for_each_1769_mb(memory, most):
    assert usable_cores({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory}) == min(most, usable_cores({}))


def test_elsewhere_it_has_those_of_the_machine():
    assert 1 <= usable_cores({}) <= (os.cpu_count() or 1)
