"""The peers: what Python programs carry messages with today, each by its own package and as its documents show it."""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import queue
import secrets
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.bench.transport import End, Reach, Transport, Unavailable, no_call

__all__ = ["PEERS", "CloudtoidSpinning", "ThreadSimpleQueue", "peers"]

_SPAWN = multiprocessing.get_context("spawn")


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unavailable(f"{name} is not installed") from error


class MultiprocessingQueue:
    """``multiprocessing.Queue``: a pipe, two locks, a feeder thread."""

    name = "multiprocessing.Queue"
    reach = Reach(threads=False)
    _queue: Any = None

    def open(self, capacity: int, size: int) -> None:
        self._queue = _SPAWN.Queue(max(min(capacity // max(size, 1), 30_000), 1))

    def sender(self) -> End:
        return End(self._queue.put, no_call)

    def receiver(self) -> End:
        return End(no_call, self._queue.get)

    def close(self) -> None:
        if self._queue is not None:
            self._queue.close()
            self._queue.cancel_join_thread()


class MultiprocessingSimpleQueue:
    """``multiprocessing.SimpleQueue``: a pipe and two locks."""

    name = "multiprocessing.SimpleQueue"
    reach = Reach(threads=False)
    _queue: Any = None

    def open(self, capacity: int, size: int) -> None:
        self._queue = _SPAWN.SimpleQueue()

    def sender(self) -> End:
        return End(self._queue.put, no_call)

    def receiver(self) -> End:
        return End(no_call, self._queue.get)

    def close(self) -> None:
        if self._queue is not None:
            self._queue.close()


class MultiprocessingPipe:
    """``multiprocessing.Pipe``: bytes over a pipe, one worker at each end."""

    name = "multiprocessing.Pipe"
    reach = Reach(threads=False, senders=1, receivers=1)
    _ends: Any = None

    def open(self, capacity: int, size: int) -> None:
        self._ends = _SPAWN.Pipe(duplex=False)

    def sender(self) -> End:
        return End(self._ends[1].send_bytes, no_call)

    def receiver(self) -> End:
        return End(no_call, self._ends[0].recv_bytes)

    def close(self) -> None:
        for end in self._ends or ():
            end.close()


class ThreadQueue:
    """``queue.Queue``."""

    name = "queue.Queue"
    reach = Reach(processes=False, note="passes a reference")
    _queue: Any = None

    def open(self, capacity: int, size: int) -> None:
        self._queue = queue.Queue(max(capacity // max(size, 1), 1))

    def sender(self) -> End:
        return End(self._queue.put, no_call)

    def receiver(self) -> End:
        return End(no_call, self._queue.get)

    def close(self) -> None:
        self._queue = None


class ThreadSimpleQueue:
    """``queue.SimpleQueue``; it has no bound."""

    name = "queue.SimpleQueue"
    reach = Reach(processes=False, note="passes a reference; unbounded")
    _queue: Any = None

    def open(self, capacity: int, size: int) -> None:
        self._queue = queue.SimpleQueue()

    def sender(self) -> End:
        return End(self._queue.put, no_call)

    def receiver(self) -> End:
        return End(no_call, self._queue.get)

    def close(self) -> None:
        self._queue = None


def _same(message: Any) -> Any:
    return message


def _as_bytes(message: Any) -> bytes:
    return bytes(message)


class FasterFifo:
    """``faster_fifo.Queue`` with bytes in place of pickles."""

    name = "faster-fifo"
    reach = Reach(threads=False, batches=True, note="pickling replaced by bytes()")
    _queue: Any = None

    def open(self, capacity: int, size: int) -> None:
        package = _package("faster_fifo")
        self._queue = package.Queue(max(capacity, 4 * (size + 64)), loads=_as_bytes, dumps=_same)

    def sender(self) -> End:
        def send(message: bytes) -> None:
            while True:
                try:
                    return put(message)  # type: ignore[no-any-return]
                except queue.Full:
                    pass

        def send_many(messages: Sequence[bytes]) -> None:
            while True:
                try:
                    return put_many(messages)  # type: ignore[no-any-return]
                except queue.Full:
                    pass

        put, put_many = self._queue.put, self._queue.put_many
        return End(send, no_call, send_many=send_many)

    def receiver(self) -> End:
        def receive() -> Any:
            while True:
                try:
                    return get()
                except queue.Empty:
                    pass

        def receive_many(limit: int) -> Sequence[Any]:
            while True:
                try:
                    return get_many(max_messages_to_get=limit)  # type: ignore[no-any-return]
                except queue.Empty:
                    pass

        get, get_many = self._queue.get, self._queue.get_many
        return End(no_call, receive, receive_many=receive_many)

    def close(self) -> None:
        if self._queue is not None:
            self._queue.close()


class PosixMessageQueue:
    """A POSIX message queue, by ``posix_ipc``."""

    name = "posix_ipc"
    reach = Reach(largest=8192, note="10 messages deep (the kernel's default limit)")
    _queue_name = ""
    _size = 0

    def open(self, capacity: int, size: int) -> None:
        package = _package("posix_ipc")
        self._queue_name, self._size = f"/ipc-bench-{os.getpid()}-{secrets.token_hex(4)}", size
        try:
            package.MessageQueue(self._queue_name, package.O_CREX, max_messages=10, max_message_size=size).close()
        except (OSError, ValueError, package.Error) as error:
            self._queue_name = ""
            raise Unavailable(f"the kernel refuses a message queue: {error}") from error

    def _open(self) -> Any:
        return _package("posix_ipc").MessageQueue(self._queue_name)

    def sender(self) -> End:
        return End(self._open().send, no_call)

    def receiver(self) -> End:
        return End(no_call, self._open().receive)

    def close(self) -> None:
        if self._queue_name:
            _package("posix_ipc").unlink_message_queue(self._queue_name)
            self._queue_name = ""


class ZeroMq:
    """``pyzmq``, PUSH and PULL over ``ipc://``; the receiving worker binds."""

    name = "pyzmq ipc"
    reach = Reach(threads=False, receivers=1, note="PUSH/PULL")
    _folder = ""

    def open(self, capacity: int, size: int) -> None:
        _package("zmq")
        self._folder = tempfile.mkdtemp(prefix="ipc-bench-")

    def _socket(self, kind: str) -> Any:
        zmq = _package("zmq")
        socket = zmq.Context.instance().socket(getattr(zmq, kind))
        socket.setsockopt(zmq.LINGER, 0)
        return socket

    def sender(self) -> End:
        socket = self._socket("PUSH")
        socket.connect(f"ipc://{self._folder}/socket")
        return End(socket.send, no_call)

    def receiver(self) -> End:
        socket = self._socket("PULL")
        socket.bind(f"ipc://{self._folder}/socket")
        return End(no_call, socket.recv)

    def close(self) -> None:
        if self._folder:
            for path in Path(self._folder).iterdir():
                path.unlink()
            Path(self._folder).rmdir()
            self._folder = ""


class CloudtoidInterprocess:
    """``cloudtoid-interprocess``: a lock-free queue in shared memory."""

    name = "cloudtoid-interprocess"
    reach = Reach(batches=True, note="its send has no wait: tried again until it fits")
    _queue_name, _capacity = "", 0
    _keeper: Any = None

    def open(self, capacity: int, size: int) -> None:
        package = _package("cloudtoid_interprocess")
        wanted = max(capacity, 4 * (size + 64))
        self._capacity = 1 << (wanted - 1).bit_length()
        self._queue_name = f"ipc-bench-{os.getpid()}-{secrets.token_hex(4)}"
        self._keeper = package.Subscriber(self._queue_name, self._capacity)  # a queue goes with its last end

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_keeper": None}

    def sender(self) -> End:
        publisher = _package("cloudtoid_interprocess").Publisher(self._queue_name, self._capacity)
        try_send, try_send_batch = publisher.try_send, publisher.try_send_batch

        def send(message: bytes) -> None:
            while not try_send(message):
                pass

        def send_many(messages: Sequence[bytes]) -> None:
            sent = try_send_batch(messages)
            while sent < len(messages):
                sent += try_send_batch(messages[sent:])

        return End(send, no_call, send_many=send_many)

    def receiver(self) -> End:
        subscriber = _package("cloudtoid_interprocess").Subscriber(self._queue_name, self._capacity)
        return End(no_call, subscriber.receive)

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


class CloudtoidSpinning(CloudtoidInterprocess):
    """The same, its receiver polling."""

    name = "cloudtoid-interprocess, polling"

    def receiver(self) -> End:
        try_receive = _package("cloudtoid_interprocess").Subscriber(self._queue_name, self._capacity).try_receive

        def receive() -> Any:
            while (message := try_receive()) is None:
                pass
            return message

        return End(no_call, receive)


class Iceoryx:
    """``iceoryx2`` publish-subscribe of byte slices; the subscriber polls, the publisher waits while it is behind."""

    name = "iceoryx2"
    reach = Reach(threads=False, senders=1, receivers=1, note="publish-subscribe, polling")
    _prefix, _size, _depth = "", 0, 0

    def open(self, capacity: int, size: int) -> None:
        _package("iceoryx2")
        # a domain of its own: what its nodes leave in /dev/shm can be told from others' and removed
        self._prefix, self._size = f"ipc-bench-{os.getpid()}-{secrets.token_hex(4)}_", size
        self._depth = max(min(capacity // max(size, 1), 256), 2)

    def _factory(self) -> Any:
        package = _package("iceoryx2")
        package.set_log_level(package.LogLevel.Fatal)
        config = package.config.default()
        config.global_cfg.prefix = package.FileName.new(self._prefix)
        node = package.NodeBuilder.new().config(config).create(package.ServiceType.Ipc)
        service = node.service_builder(package.ServiceName.new("benchmark"))
        return (
            service.publish_subscribe(package.Slice[ctypes.c_uint8])
            .enable_safe_overflow(False)
            .subscriber_max_buffer_size(self._depth)
            .open_or_create()
        )

    def sender(self) -> End:
        package = _package("iceoryx2")
        factory = self._factory()
        builder = factory.publisher_builder().initial_max_slice_len(self._size)
        publisher = builder.backpressure_strategy(package.BackpressureStrategy.RetryUntilDelivered).create()

        def send(message: bytes) -> None:
            sample = publisher.loan_slice_uninit(len(message))
            ctypes.memmove(sample.payload_ptr, message, len(message))
            sample.assume_init().send()

        return End(send, no_call)

    def receiver(self) -> End:
        factory, size = self._factory(), self._size
        subscriber = factory.subscriber_builder().create()

        def receive() -> bytes:
            while (sample := subscriber.receive()) is None:
                pass
            data = ctypes.string_at(sample.payload_ptr, size)
            sample.delete()
            return data

        return End(no_call, receive)

    def close(self) -> None:
        if not self._prefix:
            return
        for folder in (Path("/dev/shm"), Path("/tmp/iceoryx2")):
            for path in folder.rglob(f"{self._prefix}*"):
                if path.is_file():
                    path.unlink()
        self._prefix = ""


PEERS: tuple[Callable[[], Transport], ...] = (
    MultiprocessingQueue,
    MultiprocessingSimpleQueue,
    MultiprocessingPipe,
    ThreadQueue,
    ThreadSimpleQueue,
    FasterFifo,
    PosixMessageQueue,
    ZeroMq,
    CloudtoidInterprocess,
    Iceoryx,
)


def peers(on: str, senders: int, receivers: int, size: int) -> list[Transport]:
    """Peers that can carry messages of `size` bytes between so many workers on ``"threads"`` or ``"processes"``."""
    found = []
    for peer in PEERS:
        transport = peer()
        reach = transport.reach
        carries = reach.threads if on == "threads" else reach.processes
        if carries and senders <= reach.senders and receivers <= reach.receivers and size <= reach.largest:
            found.append(transport)
    return found
