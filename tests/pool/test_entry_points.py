"""Pools work from anywhere a Python program may come from, without any guard."""

import subprocess
import sys
import textwrap

import pytest

SCRIPT = textwrap.dedent(
    """
    import asyncio
    from dataclasses import dataclass

    from poolifier import FixedProcessPool

    print("imported once")

    @dataclass
    class Point:
        x: int
        y: int

        def norm(self):
            return abs(self.x) + abs(self.y)

    class Outside(Exception):
        pass

    OFFSET = 100

    def shift(n):
        return n + OFFSET

    def mirror(point):
        if point.x < 0:
            raise Outside(point)
        return Point(point.y, point.x)

    async def main():
        functions = {"shift": shift, "mirror": mirror, "square": lambda n: n * n, "norm": Point.norm}
        async with FixedProcessPool(2, functions) as pool:
            assert await pool.execute(1) == 101
            assert await pool.execute(7, "square") == 49
            assert await pool.execute(Point(1, 2), "mirror") == Point(2, 1)
            assert await pool.execute(Point(-3, 4), "norm") == 7
            try:
                await pool.execute(Point(-1, 0), "mirror")
            except Outside as error:
                assert error.args == (Point(-1, 0),)
            else:
                raise AssertionError("no error")
        async with FixedProcessPool(1, Point(3, -4).norm) as pool:
            assert await pool.execute() == 7
        print("done")

    asyncio.run(main())
    """
)


def python(*arguments, stdin=None, cwd=None):
    return subprocess.run(
        [sys.executable, *arguments], input=stdin, capture_output=True, text=True, timeout=300, cwd=cwd, check=False
    )


def check(result, expected="imported once\ndone\n"):
    assert result.returncode == 0, result.stderr
    # One line, so no worker has run the program again.
    assert result.stdout == expected
    assert result.stderr == ""


def test_dash_c():
    check(python("-c", SCRIPT))


def test_standard_input(tmp_path):
    check(python("-", stdin=SCRIPT, cwd=tmp_path))


def test_an_unguarded_script(tmp_path):
    (tmp_path / "program.py").write_text(SCRIPT)
    check(python("program.py", cwd=tmp_path))


def test_a_module_run_with_dash_m(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "numbers_.py").write_text("def double(n):\n    return 2 * n\n")
    (package / "__main__.py").write_text(
        "import asyncio\nfrom poolifier import FixedProcessPool\nfrom .numbers_ import double\n"
        "async def main():\n    async with FixedProcessPool(1, double) as pool:\n"
        "        print(await pool.execute(4))\nasyncio.run(main())\n"
    )
    check(python("-m", "package", cwd=tmp_path), "8\n")


def test_the_interactive_interpreter(tmp_path):
    lines = [
        "import asyncio",
        "from poolifier import FixedProcessPool",
        "def triple(n): return 3 * n",
        "",
        "async def main():",
        "    async with FixedProcessPool(1, triple) as pool:",
        "        print(await pool.execute(5))",
        "",
        "asyncio.run(main())",
        "",
    ]
    result = python("-i", "-q", stdin="\n".join(lines), cwd=tmp_path)
    assert "15" in result.stdout, result.stderr


def test_a_file_beside_the_script(tmp_path):
    (tmp_path / "workers.py").write_text(
        "class Sour(Exception):\n    pass\n"
        "def taste(fruit):\n    if fruit == 'lemon':\n        raise Sour(fruit)\n    return 'sweet'\n"
        "worker = taste\n"
    )
    (tmp_path / "program.py").write_text(
        "import asyncio\nfrom pathlib import Path\nfrom poolifier import FixedProcessPool\nfrom workers import Sour\n"
        "async def main():\n"
        "    for worker in ('workers.py', Path('workers.py'), 'workers', 'workers:taste'):\n"
        "        async with FixedProcessPool(1, worker) as pool:\n"
        "            assert await pool.execute('pear') == 'sweet'\n"
        "            assert await pool.execute('pear', 'taste') == 'sweet'\n"
        "            try:\n                await pool.execute('lemon')\n"
        "            except Sour as error:\n                assert error.args == ('lemon',)\n"
        "            else:\n                raise AssertionError\n"
        "    print('done')\nasyncio.run(main())\n"
    )
    check(python("program.py", cwd=tmp_path), "done\n")


@pytest.mark.parametrize("options", [["-O"], ["-W", "error"], ["-X", "utf8"], ["-I"]], ids=" ".join)
def test_interpreter_options_reach_the_workers(options):
    script = (
        "import asyncio, sys\nfrom poolifier import FixedProcessPool\n"
        "def flags(_):\n    import sys\n    return sys.flags.optimize, sys.flags.utf8_mode, list(sys.warnoptions)\n"
        "async def main():\n    async with FixedProcessPool(1, flags) as pool:\n"
        "        assert await pool.execute(1) == flags(1), (await pool.execute(1), flags(1))\n"
        "asyncio.run(main())\nprint('done')\n"
    )
    check(python(*options, "-c", script), "done\n")


def test_a_file_in_a_package(tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "workers.py").write_text("class Sour(Exception):\n    pass\ndef worker(fruit):\n    raise Sour(fruit)\n")
    (tmp_path / "program.py").write_text(
        "import asyncio\nfrom poolifier import FixedProcessPool\nfrom shop.workers import Sour\n"
        "async def main():\n    async with FixedProcessPool(1, 'shop/workers.py') as pool:\n"
        "        try:\n            await pool.execute('lemon')\n"
        "        except Sour as error:\n            print(error)\nasyncio.run(main())\n"
    )
    check(python("program.py", cwd=tmp_path), "lemon\n")
