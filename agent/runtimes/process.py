"""The native-process runtime: programs that the Bee's owner has put into a catalogue, each under a guard."""

from __future__ import annotations

import platform
from pathlib import Path

from agent.protocol import Workload
from agent.runtimes import catalogue
from agent.runtimes.base import Order
from agent.runtimes.catalogue import NativeImage
from agent.runtimes.guarded.runtime import DEFAULT_STORAGE_BYTES, Guarded, Payload
from agent.runtimes.guarded.trial import try_out


class ProcessRuntime(Guarded):
    name = "process"
    version = platform.release()

    def __init__(self, home: Path, *, storage_bytes: int = DEFAULT_STORAGE_BYTES) -> None:
        super().__init__(home, storage_bytes=storage_bytes)
        self._home = home
        self._catalogue = home / "images"
        self._catalogue.mkdir(parents=True, exist_ok=True)

    async def self_test(self) -> None:
        """Run a program that does nothing. Raises RuntimeFault."""
        await try_out(self._home, Payload(command=["/bin/true"], env={}, reads=[]))

    async def prepare(self, workload: Workload) -> None:
        catalogue.find(self._catalogue, workload.image, NativeImage)

    def payload(self, order: Order, folder: Path, port: int | None) -> Payload:
        workload = order.assignment.workload
        image_folder, image = catalogue.find(self._catalogue, workload.image, NativeImage)
        command = catalogue.command_line(image_folder, image, workload)
        return Payload(
            command=command,
            env=catalogue.environment(image.env, workload),
            # The owner's words alone: what a team adds to the command must not decide who runs it.
            reads=catalogue.reads(image_folder, image),
        )
