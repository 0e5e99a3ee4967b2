from poolifier.backends.portions import Portions

LARGE, SMALL = 4096, 200


class Loop:
    """An event loop that turns when it is told to."""

    def __init__(self):
        self.soon = []

    def call_soon(self, callback):
        self.soon.append(callback)

    def turn(self):
        callbacks, self.soon = self.soon, []
        for callback in callbacks:
            callback()


class Reader:
    """Reads as much as there is, in portions of at most `LARGE`, and writes down that it did."""

    def __init__(self, name, portions, diary, there=0):
        self.name, self.portions, self.diary, self.there = name, portions, diary, there

    def readable(self):
        if not self.portions.free(self.readable):
            return
        count = min(self.there, LARGE)
        self.there -= count
        if count:
            self.diary.append(self.name)
        self.portions.took(count)


def readers(*there):
    loop, diary = Loop(), []
    portions = Portions(loop)
    return loop, diary, [Reader(name, portions, diary, count) for name, count in zip("abcdef", there, strict=False)]


def turn(loop, everybody):
    """What the loop does in a turn: what was asked for, then all that have something to read, in the same order."""
    loop.turn()
    for reader in everybody:
        if reader.there:
            reader.readable()


def test_there_is_one_large_portion_in_a_turn():
    loop, diary, everybody = readers(10 * LARGE, 10 * LARGE, 10 * LARGE)
    for number in range(1, 25):
        turn(loop, everybody)
        assert len(diary) == number


def test_each_has_its_turn():
    loop, diary, everybody = readers(10 * LARGE, 10 * LARGE, 10 * LARGE)
    for _ in range(9):
        turn(loop, everybody)
    assert diary == list("abc" * 3)


def test_small_ones_are_read_in_the_same_turn():
    loop, diary, everybody = readers(SMALL, SMALL, SMALL, LARGE)
    turn(loop, everybody)
    assert diary == list("abcd")
    assert len(loop.soon) == 1


def test_the_loop_may_sleep_where_little_is_said():
    loop, diary, everybody = readers(SMALL, SMALL)
    turn(loop, everybody)
    assert diary == list("ab")
    assert not loop.soon


def test_small_ones_that_had_to_wait_are_read_together():
    loop, diary, everybody = readers(LARGE, SMALL, SMALL)
    turn(loop, everybody)
    assert diary == ["a"]
    turn(loop, [])
    assert diary == list("abc")
