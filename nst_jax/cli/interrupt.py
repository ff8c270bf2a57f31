"""Ctrl-C, SIGTERM and SIGHUP as a request: the step in flight ends, what is best is saved, nothing is torn down."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What a keyboard, a scheduler and a closed terminal send."""


class Stopped(KeyboardInterrupt):
    """An interruption at once, by a signal."""

    def __init__(self, signum: int) -> None:
        super().__init__("interrupted")
        self.code = 128 + (signum or signal.SIGINT)


class Request:
    """Whether a stop was asked for, and by which signal."""

    def __init__(self) -> None:
        self.signum = 0

    def __call__(self) -> bool:
        """Tell whether a stop was asked for."""
        return self.signum != 0

    @property
    def code(self) -> int:
        """Give the exit code of a process that such a signal ends: 130, 143 or 129; 0 if nobody asked."""
        return 128 + self.signum if self.signum else 0

    def listen(self) -> None:
        """Take the signals; again after a library that takes them for itself."""
        _handle(self._press)

    def _press(self, signum: int, frame: object) -> None:
        # Closing a terminal and ending a job send several signals; a second Ctrl-C is somebody who will not wait.
        if signum == self.signum == signal.SIGINT:
            raise Stopped(signum)
        self.signum = self.signum or signum


@contextlib.contextmanager
def requested() -> Iterator[Request]:
    """Yield a function that tells whether a stop was asked for; a second Ctrl-C interrupts at once."""
    request = Request()
    with _restored():
        request.listen()
        yield request


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, too, raise where they meet the program, so that it leaves nothing half done."""
    with _restored():
        _handle(_raise, ASKING[1:])
        yield


def _raise(signum: int, frame: object) -> None:
    raise Stopped(signum)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _handle(handler: Callable[[int, object], None], signals: tuple[int, ...] = ASKING) -> None:
    """Handle signals, but for a SIGHUP that is ignored already: somebody said nohup."""
    for signum in signals if _in_main_thread() else ():
        if signum == signal.SIGINT or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, handler)


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Handle signals as before, at the end."""
    before = {signum: signal.getsignal(signum) for signum in ASKING} if _in_main_thread() else {}
    try:
        yield
    finally:
        for signum, handler in before.items():
            if handler is not None:  # None: not set from Python
                signal.signal(signum, handler)
