"""Work that is given up when a run is stopped."""

import asyncio


async def before(task: "asyncio.Task[object]", stop: asyncio.Event) -> bool:
    """Wait for either; False when `stop` came first, and the task is cancelled and over by then."""
    stopper = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopper}, return_when=asyncio.FIRST_COMPLETED)
        return task.done()
    finally:
        stopper.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
