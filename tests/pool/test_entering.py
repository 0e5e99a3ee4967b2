"""What `async with` does with a pool that is started already, or that another one has."""

import asyncio

import pytest

from poolifier import FixedProcessPool, PoolNotStartedError


def echo(data):
    return data


@pytest.mark.parametrize("options", [{}, {"start_workers": False}], ids=["started", "not started"])
@pytest.mark.usefixtures("no_leaks")
def test_a_pool_is_entered_once(run, options):
    """The end of the inner `async with` would destroy it for the outer one."""

    async def main():
        async with FixedProcessPool(1, echo, **options) as pool:
            for _ in range(2):
                with pytest.raises(
                    RuntimeError, match=r"FixedProcessPool 'process-\d+' 1 is in an `async with` already"
                ):
                    async with pool:
                        pytest.fail("it was entered")
            await pool.start()
            assert await pool.execute(1) == 1
        with pytest.raises(PoolNotStartedError, match="has been destroyed"):
            await pool.start()

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_pool_is_entered_by_one_of_two_at_once(run):
    async def use(pool):
        async with pool:
            return await pool.execute(1)

    async def main():
        pool = FixedProcessPool(1, echo)
        first, second = await asyncio.gather(use(pool), use(pool), return_exceptions=True)
        assert first == 1
        assert isinstance(second, RuntimeError)

    run(main())


@pytest.mark.usefixtures("no_leaks")
def test_a_pool_that_is_started_can_be_entered(run):
    async def main():
        pool = FixedProcessPool(1, echo)
        await pool.start()
        async with pool:
            assert await pool.execute(1) == 1
        with pytest.raises(PoolNotStartedError, match="has been destroyed"):
            async with pool:
                pytest.fail("it was entered")

    run(main())
