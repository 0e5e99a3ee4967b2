"""The image service answers real requests with real pictures, and whatever it is sent, it goes on."""

import asyncio
import os
import signal
import time
from io import BytesIO

import httpx
import pytest
from PIL import ExifTags, Image

pytestmark = pytest.mark.once


def picture(size, kind="JPEG", **options):
    file = BytesIO()
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def client(serving):
    with (
        serving("image_service.py", "--workers", 2) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
    ):
        yield client


def test_resizes_and_refuses(client):
    photo = picture((1200, 900))

    resized = client.post("/resize", params={"width": 300, "format": "webp"}, content=photo)
    assert resized.status_code == 200, resized.text
    assert resized.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(resized.content)) as image:
        assert (image.format, image.size) == ("WEBP", (300, 225))
        # It is the picture: dark above, bright below.
        assert image.getpixel((150, 5))[0] < 20
        assert image.getpixel((150, 220))[0] > 235

    no_picture = client.post("/resize", params={"width": 300}, content=b"GIF89a, or so it says")
    assert (no_picture.status_code, "cannot be read" in no_picture.text) == (422, True)
    cut_off = client.post("/resize", params={"width": 300}, content=photo[: len(photo) // 2])
    assert (cut_off.status_code, "cannot be read" in cut_off.text) == (422, True)
    too_many_pixels = client.post("/resize", params={"width": 9}, content=picture((8_000, 7_000), "PNG"))
    assert (too_many_pixels.status_code, "more than 50,000,000 pixels" in too_many_pixels.text) == (422, True)
    assert client.post("/resize", params={"width": 0}, content=photo).status_code == 422
    assert client.post("/resize", params={"width": 9}, content=bytes(25_000_001)).status_code == 413

    health = client.get("/health").json()
    assert (health["done"], health["failed"], len(health["workers"])) == (1, 3, 2)


def test_a_picture_that_was_taken_on_its_side(client):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned to the right
    photo = picture((1000, 500), exif=exif)

    resized = client.post("/resize", params={"width": 200}, content=photo)

    with Image.open(BytesIO(resized.content)) as image:
        assert image.size == (200, 400)


def test_goes_on_when_workers_die_and_clients_leave(client):
    large = picture((6_000, 6_000), "PNG")

    async def storm():
        async with httpx.AsyncClient(base_url=client.base_url, timeout=300) as many:
            posts = [asyncio.create_task(many.post("/resize", params={"width": 50}, content=large)) for _ in range(8)]
            async with asyncio.timeout(120):
                while not (health := (await many.get("/health")).json())["waiting"]:  # noqa: ASYNC110 - over HTTP
                    await asyncio.sleep(0.01)
            for pid in health["workers"]:
                os.kill(pid, signal.SIGKILL)
            answers = await asyncio.gather(*posts)
            return [answer.status_code for answer in answers], health["workers"], (await many.get("/health")).json()

    codes, before, health = asyncio.run(storm())
    assert codes == [200] * 8
    assert not set(before) & set(health["workers"])

    with pytest.raises(httpx.ReadTimeout):
        client.post("/resize", params={"width": 8_000}, content=large, timeout=0.3)
    deadline = time.monotonic() + 120
    while not client.get("/health").json()["aborted"]:
        assert time.monotonic() < deadline, "nobody waits for it, and it is not aborted"
        time.sleep(0.01)


def test_a_picture_that_takes_too_long(serving):
    with (
        serving("image_service.py", "--workers", 1, "--timeout", 0.05) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client,
    ):
        large = client.post("/resize", params={"width": 6_000}, content=picture((6_000, 6_000), "PNG"))

        assert large.status_code == 422
        assert large.json()["detail"] == "this picture takes longer than 0.05 s"
