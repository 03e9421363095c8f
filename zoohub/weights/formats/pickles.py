"""What a pickle would import and call, read from its opcodes without running one of them."""

from __future__ import annotations

import io
import pickletools
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

MAX_PICKLE = 256 << 20  # bytes of opcodes that are read; a checkpoint's own pickle is far smaller
MAX_OPCODES = 20_000_000

# what torch's and numpy's own readers need to rebuild numbers
_HARMLESS = frozenset({
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.set",
    "builtins.frozenset", "builtins.bytearray", "builtins.complex", "builtins.slice", "builtins.range",
    "builtins.int", "builtins.float", "__builtin__.set", "__builtin__.bytearray", "__builtin__.complex",
    "__builtin__.long", "torch.Size", "torch.device", "torch.Tensor", "torch.Generator",
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor", "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_meta_tensor_no_storage", "torch._tensor._rebuild_from_type_v2",
    "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.serialization._get_layout",
    "torch.storage.UntypedStorage", "torch.storage.TypedStorage", "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar", "numpy.ndarray", "numpy.dtype", "_codecs.encode",
})  # fmt: skip
_TORCH_TYPE = re.compile(
    r"(q?u?int\d+(x\d)?|b?float\d*(_e\w+)?|complex\d+|bool|half|double|long|int|short|\w*Storage)"
)
_DANGEROUS = frozenset({
    "os", "posix", "nt", "subprocess", "sys", "builtins", "__builtin__", "socket", "shutil", "runpy",
    "ctypes", "pty", "importlib", "webbrowser", "operator", "functools", "code", "codeop", "commands",
    "pickle", "_pickle", "timeit", "multiprocessing", "asyncio", "threading", "signal", "urllib", "http",
    "requests", "tempfile", "pathlib", "io", "inspect", "types", "bdb", "pdb", "cProfile", "profile",
    "trace", "zipimport", "pip", "pydoc", "platform", "torch.hub", "torch.utils", "torch.jit",
    "torch._inductor", "torch.distributed", "numpy.testing", "numpy.f2py", "dill", "cloudpickle",
    "joblib", "marshal", "imp", "venv", "ensurepip", "site", "idlelib", "linecache",
})  # fmt: skip
_OLD_TORCH_MAGIC = 0x1950A86A20F9469CFC6C.to_bytes(10, "little")


@dataclass(frozen=True, slots=True)
class Scan:
    """The imports of a pickle by how far they can be trusted, and why it could not be read to its end."""

    dangerous: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def only_tensors(self) -> bool:
        """Nothing but what rebuilds numbers is imported, and all of it was read."""
        return not (self.dangerous or self.unknown or self.problem)


def looks_like_pickle(head: bytes) -> bool:
    """Does a file begin as a pickle of protocol 2 to 5 does?"""
    return len(head) > 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)


def scan(path: Path) -> Scan:
    """Read the imports of every pickle in a file: bare, in a row (old PyTorch), in a zip, in an array."""
    try:
        if zipfile.is_zipfile(path):
            return _scan_zip(path)
        with path.open("rb") as stream:
            head = stream.read(6)
            if head == b"\x93NUMPY":
                return _scan_numpy(stream)
            stream.seek(0)
            return _judge(*_all_imports(stream))
    except (OSError, struct.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        return Scan(problem=f"it cannot be read ({error})")


def _scan_zip(path: Path) -> Scan:
    found: set[str] = set()
    problem: str | None = None
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            head = b""
            if member.file_size:
                with archive.open(member) as opened:
                    head = opened.read(8)
            is_pickle = member.filename.endswith((".pkl", ".pickle")) or (
                looks_like_pickle(head) and "/data/" not in member.filename
            )
            if "/code/" in member.filename or member.filename.endswith(".py"):
                problem = problem or "it holds TorchScript code"
            if member.filename.endswith(".npy"):
                with archive.open(member) as opened:
                    opened.read(6)
                    part = _scan_numpy(cast(BinaryIO, opened))
                found.update(part.dangerous, part.unknown, part.harmless)
                problem = problem or part.problem
            elif is_pickle and member.file_size > MAX_PICKLE:
                problem = problem or f"{member.filename} has more than {MAX_PICKLE >> 20} MiB of opcodes"
            elif is_pickle:
                with archive.open(member) as opened:
                    names, trouble = _all_imports(io.BytesIO(opened.read(MAX_PICKLE + 1)))
                found.update(names)
                problem = problem or trouble
    return _judge(found, problem)


def _scan_numpy(stream: BinaryIO) -> Scan:
    """An array of objects is a pickle behind the header, any other is numbers; `stream` is past the magic."""
    major = stream.read(2)[:1]
    size = (
        struct.unpack("<H", stream.read(2))[0] if major == b"\x01" else struct.unpack("<I", stream.read(4))[0]
    )
    header = stream.read(min(size, 1 << 20))
    if b"O" not in header.partition(b"descr")[2].partition(b"fortran_order")[0]:
        return Scan()
    return _judge(*_all_imports(io.BytesIO(stream.read(MAX_PICKLE + 1))))


def _all_imports(stream: BinaryIO) -> tuple[set[str], str | None]:
    """The imports of all pickles that follow one another, and what kept it from being read to the end.

    A checkpoint of PyTorch before 1.6 is five pickles (the first is a magic number) and then bare numbers.
    """
    found: set[str] = set()
    count = 0
    old_torch = _begins_old_torch(stream)
    while True:
        start = stream.tell()
        head = stream.read(3)
        stream.seek(start)
        if count and (count == 5 if old_torch else not looks_like_pickle(head)):
            return found, None
        try:
            found.update(_imports(stream))
        except _Unreadable as error:
            return found | error.found, str(error)
        count += 1


def _begins_old_torch(stream: BinaryIO) -> bool:
    start = stream.tell()
    head = stream.read(32)
    stream.seek(start)
    return _OLD_TORCH_MAGIC in head


class _Unreadable(ValueError):
    def __init__(self, reason: str, found: set[str]) -> None:
        super().__init__(reason)
        self.found = found


def _imports(stream: BinaryIO) -> set[str]:
    """The names that one pickle imports: "module.name", or "?" where the pickle computes the name."""
    reader = _Reader()
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if count > MAX_OPCODES or (position or 0) > MAX_PICKLE:
                raise _Unreadable("it has more opcodes than are read", reader.found)
            reader.step(opcode.name, argument)
    except _Unreadable:
        raise
    except Exception as error:
        raise _Unreadable(f"it is no whole pickle ({str(error)[:120]})", reader.found) from error
    return reader.found


class _Reader:
    """Follows the texts through stack and memo, just far enough to know what STACK_GLOBAL will import."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.memo: dict[int, str | None] = {}
        self.stack: list[str | None] = []  # the texts that were pushed last; None for anything else

    def step(self, name: str, argument: Any) -> None:
        """Take one opcode."""
        if name in ("GLOBAL", "INST"):
            self.found.add(str(argument).replace(" ", ".", 1))
        elif name == "STACK_GLOBAL":
            module, attribute = [None, None, *self.stack][-2:]
            self.found.add(f"{module}.{attribute}" if module and attribute else "?")
        elif name.startswith("EXT"):
            self.found.add("?")
        if name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if argument is None else argument] = (
                self.stack[-1] if self.stack else None
            )
        elif name not in ("PROTO", "FRAME", "MARK"):
            self._push(name, argument)

    def _push(self, name: str, argument: Any) -> None:
        if "UNICODE" in name or name.endswith("STRING"):
            self.stack.append(argument if isinstance(argument, str) else None)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo.get(argument))
        else:
            self.stack.append(None)
        if len(self.stack) > 1024:
            del self.stack[:-64]


def _judge(found: set[str], problem: str | None) -> Scan:
    dangerous: list[str] = []
    unknown: list[str] = []
    harmless: list[str] = []
    for name in sorted(found):
        (harmless if _is_harmless(name) else dangerous if _is_dangerous(name) else unknown).append(name)
    return Scan(tuple(dangerous), tuple(unknown), tuple(harmless), problem)


def _is_harmless(name: str) -> bool:
    if name in _HARMLESS:
        return True
    module, _, attribute = name.rpartition(".")
    return module in ("torch", "torch.storage") and bool(_TORCH_TYPE.fullmatch(attribute))


def _is_dangerous(name: str) -> bool:
    parts = name.split(".")
    return name == "?" or any(".".join(parts[:depth]) in _DANGEROUS for depth in (1, 2))
