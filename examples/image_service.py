"""An HTTP service that resizes pictures: `python examples/image_service.py [--port PORT] [--workers N]`.

POST a picture to `/resize?width=640`, or to `/resize?width=640&format=webp`; GET `/health` for how it is. Pictures are
read and written by a pool of processes. So the service answers while they work, a picture that takes too long is
stopped, one that ends its worker costs only itself, and one whose client has hung up is dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from io import BytesIO
from typing import Annotated, Any, NamedTuple

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from poolifier import FixedProcessPool, TaskTimeoutError, WorkerCrashedError

MOST_PIXELS = 50_000_000
MOST_BYTES = 25_000_000


class Format(StrEnum):
    """What the service can write."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


# The work ------------------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """A picture, and what is wanted of it. Large bytes travel through shared memory."""

    picture: bytes
    width: int
    format: str


def resize(job: Job) -> bytes:
    """Makes a picture as wide as wanted. This is the task function: it runs in the workers."""
    with Image.open(BytesIO(job.picture)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"the picture has more than {MOST_PIXELS:,} pixels")
        on_its_side = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        ratio = image.width / image.height if on_its_side else image.height / image.width
        size = (job.width, max(1, round(job.width * ratio)))
        # JPEG: reads no more of it than that takes.
        image.draft("RGB", (size[1], size[0]) if on_its_side else size)
        smaller = ImageOps.exif_transpose(image).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    result = BytesIO()
    smaller.save(result, job.format)
    return result.getvalue()


# The service ---------------------------------------------------------------------------------------------------------


def service(workers: int, *, most_waiting: int = 64, timeout: float = 10.0) -> FastAPI:
    """An application with a pool of so many workers, which refuses pictures while so many others wait."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with FixedProcessPool[Job, bytes](workers, resize, timeout=timeout) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan, title="pictures")

    @app.post("/resize")
    async def resize_picture(
        request: Request,
        width: Annotated[int, Query(ge=1, le=8_000)],
        format: Format = Format.JPEG,  # noqa: A002
    ) -> Response:
        pool: FixedProcessPool[Job, bytes] = app.state.pool
        if pool.info.queued_tasks >= most_waiting:
            raise HTTPException(503, "too many pictures are waiting", {"Retry-After": "1"})
        picture = await body_of(request)
        try:
            # Resizing twice does no harm, so it may be tried again where its worker dies.
            resized = await while_connected(request, pool.execute(Job(picture, width, format.value), retries=1))
        except TaskTimeoutError as error:  # first, for every TimeoutError is an OSError
            raise HTTPException(422, f"this picture takes longer than {timeout} s") from error
        except WorkerCrashedError as error:
            raise HTTPException(422, "this picture ends every worker it is given to") from error
        except (UnidentifiedImageError, Image.DecompressionBombError, ValueError, OSError) as error:
            raise HTTPException(422, f"this picture cannot be read: {error}") from error
        return Response(resized, media_type=f"image/{format.value}")

    @app.get("/health")
    async def health() -> dict[str, Any]:
        info = app.state.pool.info
        return {
            "workers": [worker.pid for worker in app.state.pool.worker_nodes if worker.ready],
            "running": info.executing_tasks,
            "waiting": info.queued_tasks,
            "done": info.executed_tasks,
            "failed": info.failed_tasks,
            "aborted": info.aborted_tasks,
        }

    return app


async def body_of(request: Request) -> bytes:
    """The body of a request, which is refused as soon as it is too long."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"a picture may have {MOST_BYTES:,} bytes")
    return bytes(body)


async def while_connected(request: Request, future: asyncio.Future[bytes]) -> bytes:
    """The future's result. The task is aborted when the client hangs up."""

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    disconnect = asyncio.create_task(hung_up())
    try:
        waited_for: list[asyncio.Future[Any]] = [future, disconnect]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise HTTPException(499, "the client has hung up")
        return future.result()
    finally:
        disconnect.cancel()
        future.cancel()


def main() -> None:
    """Serves until Ctrl+C."""
    parser = argparse.ArgumentParser(description="Resize pictures over HTTP.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for a picture (default: 10)")
    arguments = parser.parse_args()
    uvicorn.run(service(arguments.workers, timeout=arguments.timeout), port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
