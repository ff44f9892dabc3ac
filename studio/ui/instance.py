"""One live window a data folder: a second start hands its files to the first and ends."""

import getpass
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from studio.errors import StudioError

PATIENCE_S = 15.0
"""The window that is there may just be coming up, on a machine that is busy: it answers when it is up."""
NAMED_S = 3.0
RETRY_S = 0.1
_MAX_MESSAGE = 1 << 20


class Instance(QObject):
    """The claim on a data folder, held as long as the object lives and `release` was not called.

    After a kill the claim is free again: the lock knows whether its process lives.
    """

    opened = Signal(list)
    """Another start handed over these files (list[Path], maybe empty) and wants the window in front."""

    def __init__(self, folder: str | Path):
        super().__init__()
        self.folder = Path(folder).absolute()
        self._lock = QLockFile(str(self.folder / "studio.lock"))
        self._lock.setStaleLockTime(0)
        self._server: QLocalServer | None = None
        self._pending: dict[QLocalSocket, bytes] = {}
        self._holding = False
        self._held: list[tuple[QLocalSocket, list[Path]]] = []
        """What others want opened, which are not answered yet."""

    def claim(self, paths: Sequence[Path] = ()) -> bool:
        """Whether this is the only one; then others wait for its `answer`, else the one that is there opens `paths`.

        StudioError where the folder cannot be written, and where the other one does not answer for 15 s.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(
                f"Cannot write to {self.folder}: {error.strerror}. Check its permissions, or name another folder in "
                "PRIME_STUDIO_HOME."
            ) from error
        limit = time.monotonic() + PATIENCE_S
        while not self._lock.tryLock(0):  # which takes the lock of one that has ended meanwhile
            if self._lock.error() != QLockFile.LockError.LockFailedError:
                raise StudioError(
                    f"Cannot write to {self.folder}: check its permissions, and that the disk is not full."
                )
            if self._hand_over(paths, limit):
                return False
            if self._free():
                break
            if time.monotonic() >= limit:
                process = self._lock.getLockInfo()[0]
                who = f" (process {process})" if process > 0 else ""
                raise StudioError(
                    f"Prime Studio is running already{who} but does not answer: close it or end it first."
                )
            time.sleep(RETRY_S)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        # What a killed one left. Without a server the window still works; only handing over files does not.
        QLocalServer.removeServer(self._name())
        self._server.listen(self._name())
        return True

    def answer(self) -> None:
        """From now on take the files of others, first of those who wait already."""
        assert self._server is not None
        self._server.newConnection.connect(self._accept)
        self._accept()

    def _free(self) -> bool:
        """Take the claim by a lock that names no process, such as a full disk or a crash leaves: Qt has it held for
        ever. One that is just being written has a name a moment later, and one that is held is not removed."""
        if self._lock.getLockInfo()[0] > 0:
            return False
        time.sleep(NAMED_S)
        return self._lock.getLockInfo()[0] <= 0 and self._lock.removeStaleLockFile() and self._lock.tryLock(0)

    def _hand_over(self, paths: Sequence[Path], limit: float) -> bool:
        """Whether another one has taken the files by `limit`. False at once where none listens, or where it ends.

        They are sent once, however long the answer takes: what was sent is opened, whether it is waited for or not.
        """

        def left() -> int:
            return max(0, round(1000 * (limit - time.monotonic())))

        socket = QLocalSocket()
        socket.connectToServer(self._name())
        absolute = [str(path.absolute()) for path in paths]
        message = json.dumps({"open": absolute}).encode() + b"\n"
        answered = socket.waitForConnected(left()) and socket.write(message) == len(message)
        answered = answered and (socket.bytesToWrite() == 0 or socket.waitForBytesWritten(left()))
        answered = answered and socket.waitForReadyRead(left())
        socket.abort()
        return answered

    def hold(self, on: bool) -> None:
        """Answer nobody, or again those who wait: what they want opened is opened then, and if `hang_up` comes first
        they do it themselves."""
        self._holding = on
        while self._held and not self._holding:
            self._open(*self._held.pop(0))

    def hang_up(self) -> None:
        """Take no more files, but keep the claim: another start waits until it is given up."""
        self._held.clear()
        for socket in list(self._pending):
            socket.abort()
        if self._server is not None:
            self._server.close()
            self._server = None

    def release(self) -> None:
        """Give up the claim."""
        self.hang_up()
        self._lock.unlock()

    def _name(self) -> str:
        """A socket that the folder and the user name; a path of the folder's own could be too long for one."""
        key = f"{getpass.getuser()}:{self.folder.resolve()}"
        return f"prime-studio-{hashlib.sha256(key.encode()).hexdigest()[:16]}"

    def _accept(self) -> None:
        assert self._server is not None
        while (socket := self._server.nextPendingConnection()) is not None:
            self._pending[socket] = b""
            socket.readyRead.connect(self._read)
            socket.disconnected.connect(self._gone)
            self._take(socket)
            if socket.state() == QLocalSocket.LocalSocketState.UnconnectedState:  # gone before it was listened to
                self._pending.pop(socket, None)
                socket.deleteLater()

    def _read(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket):
            self._take(socket)

    def _gone(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket):
            self._pending.pop(socket, None)
            socket.deleteLater()

    def _take(self, socket: QLocalSocket) -> None:
        if socket not in self._pending:
            return
        data = self._pending[socket] + bytes(socket.readAll().data())
        self._pending[socket] = data
        if len(data) > _MAX_MESSAGE:
            socket.abort()
        elif data.endswith(b"\n"):
            try:
                files = json.loads(data)["open"]
                if not all(isinstance(file, str) for file in files):
                    raise ValueError("not paths")
            except (ValueError, KeyError, TypeError):
                socket.abort()
                return
            paths = [Path(file) for file in files]
            if self._holding:
                self._held.append((socket, paths))
                self.opened.emit([])  # whoever waits for a window sees what it waits for
            else:
                self._open(socket, paths)

    def _open(self, socket: QLocalSocket, paths: list[Path]) -> None:
        if socket in self._pending:  # else its start has given up waiting, but it was not told that nothing is opened
            socket.write(b"ok\n")
            socket.flush()
        self.opened.emit(paths)
