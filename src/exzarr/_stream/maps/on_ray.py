"""Runs tasks on a Ray cluster (https://docs.ray.io/en/latest/ray-core/walkthrough.html)."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import Any

from exzarr._stream.maps.packing import Portable
from exzarr._stream.processes.pool import ProcessLostError
from exzarr.errors import ArgumentError, MissingDependencyError, StreamError, TimedOutError

__all__ = ["OnRay", "connected_ray", "names_ray"]


def names_ray(executor: object) -> bool:
    """Return whether `executor` is ``"ray"``, the address of a cluster, or the module ray."""
    if isinstance(executor, str):
        return executor == "ray" or executor.startswith("ray://")
    return getattr(executor, "__name__", None) == "ray" and hasattr(executor, "remote")


def connected_ray(executor: Any = "ray") -> Any:
    """Return the module ray, connected to a cluster.

    ``"ray"`` uses the cluster to which this process is connected, else that of ``RAY_ADDRESS``, else a new one on this
    machine, as ``ray.init()`` does. An address connects to that cluster.
    """
    global _address
    try:
        import ray
    except ImportError:
        raise MissingDependencyError("Ray is not installed: pip install 'exzarr[ray]'") from None
    with _connecting:
        address = executor if isinstance(executor, str) and executor != "ray" else None
        if not ray.is_initialized():
            try:
                ray.init(address=address)
            except (ConnectionError, RuntimeError, ValueError) as error:
                where = "a Ray cluster" if address is None else f"the Ray cluster {address!r}"
                raise StreamError(f"cannot connect to {where}: {str(error).strip()}") from error
            _address = address
        elif address is not None and address != _address:
            raise ArgumentError(
                f"this process is connected to a Ray cluster already, and cannot connect to {address!r}: "
                "executor='ray' uses the connected one, and ray.shutdown() disconnects"
            )
    return ray


_connecting = threading.Lock()
_address: str | None = None


def _call(task: Any, item: Any) -> Any:
    return task(item)


class OnRay:
    """Runs each item as a Ray task. The task is sent to each node once.

    Ray repeats a task whose worker process or node died, three times by default. This is safe, because reading changes
    nothing, and writing the same result again has the same effect.
    """

    timeout: float | None = None

    def __init__(self, task: Any, executor: Any, workers: int | None, timeout: float | None) -> None:
        # Pack now, so that an error of pickling is raised here and not for each chunk.
        packed = (task if isinstance(task, Portable) else Portable(task)).pack()
        ray = self._ray = connected_ray(executor)
        self.workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._limit = timeout
        self._task = ray.put(packed)
        self._remote = ray.remote(_call)
        self._lock = (
            threading.RLock()
        )  # reentrant: the garbage collector may close a stream in a thread that holds it
        self._running: set[Any] = set()
        self._closed = False

    def __call__(self, item: Any) -> Any:
        ray, errors = self._ray, self._ray.exceptions
        with self._lock:
            if self._closed:
                raise CancelledError
            result = self._remote.remote(self._task, item)
            self._running.add(result)
        try:
            return ray.get(result, timeout=self._limit)
        except errors.GetTimeoutError as error:
            ray.cancel(result, force=True)
            raise TimedOutError(f"it took longer than {self._limit:g} s") from error
        except errors.RayTaskError as error:
            raise _original(error) from error
        except errors.TaskCancelledError as error:
            raise CancelledError from error
        except errors.RaySystemError as error:
            raise StreamError(f"Ray takes no more work: {error}") from error
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
            raise ProcessLostError(f"died in Ray, also when it was repeated: {_first_line(error)}") from error
        finally:
            with self._lock:
                self._running.discard(result)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            running = [*self._running]
        for result in running:
            # Not by force: that would kill a process in the middle of a write of another chunk.
            self._ray.cancel(result)


def _original(error: Any) -> BaseException:
    """Return the error that the task raised. Ray's own error has the traceback of the other process."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else StreamError(_first_line(error))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
