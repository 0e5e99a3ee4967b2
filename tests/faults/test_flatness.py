"""What says whether memory is flat has to be able to say no."""

import random

import pytest

from tests.faults.flatness import growth

PER_WAVE = 5000


def memory(waves, leak, seed):
    """What a process may take: it warms up, leaks so much per million tasks, and goes up and down in spells."""
    chance = random.Random(seed)
    spell, taken = 0.0, []
    for wave in range(waves):
        if wave % 7 == 0:
            spell = chance.uniform(-0.5, 0.5)
        warmth = 8 * (1 - 0.98**wave)
        taken.append(20 + warmth + leak * wave * PER_WAVE / 1e6 + spell + chance.gauss(0, 0.1))
    return [wave * PER_WAVE for wave in range(waves)], taken


@pytest.mark.parametrize("seed", range(20))
def test_noise_and_warming_up_are_no_leak(seed):
    assert growth(*memory(2000, 0.0, seed)).is_below(1)


@pytest.mark.parametrize("seed", range(20))
def test_a_small_leak_is_seen(seed):
    found = growth(*memory(2000, 2.0, seed))
    assert not found.is_below(1)
    assert abs(found.slope - 2) < 0.5


def test_too_few_tasks_to_tell_are_not_taken_for_flat():
    assert not any(growth(*memory(40, 0.0, seed)).is_below(1) for seed in range(20))
