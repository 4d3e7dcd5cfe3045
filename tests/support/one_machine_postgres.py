"""A PostgreSQL server on a free port of 127.0.0.1 with its data in a temporary folder; Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import services
from services import free_ports

USER, PASSWORD = "tuner", "not-to-be-shown"
OWNER = "postgres"  # the server refuses to run as root


@contextmanager
def running() -> Iterator[str]:
    """Address of an empty database, with the password in it."""
    services.install(["postgresql"], lambda: bool(_programs()))
    programs, as_owner = _programs(), {} if os.geteuid() else {"user": OWNER, "group": OWNER, "extra_groups": []}
    if not programs:
        raise services.Missing("Debian's postgresql brings no initdb")
    with ExitStack() as ends:
        root = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True)))
        (root / "password").write_text(PASSWORD)
        if as_owner:
            for path in (root, root / "password"):
                shutil.chown(path, OWNER, OWNER)
        initdb = [programs / "initdb", "-D", root / "data", "--auth=scram-sha-256", f"--username={USER}"]
        subprocess.run(
            [*initdb, f"--pwfile={root}/password", "--no-sync", "--locale=C", "--encoding=UTF8"],
            check=True, capture_output=True, cwd=root, **as_owner,
        )  # fmt: skip
        (port,) = free_ports(1)
        where = ["-D", f"{root}/data", "-p", f"{port}", "-h", "127.0.0.1", "-k", str(root), "-F"]
        log, fast = root / "log", signal.SIGINT  # a fast shutdown: open connections are closed
        services.daemon(ends, log, str(programs / "postgres"), *where, user=OWNER, end=fast)
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", f"{port}"]
        services.wait(lambda: not subprocess.run(ready, check=False).returncode, 60, log.read_text)
        yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"


def _programs() -> Path | None:
    """Debian keeps the server's programs in a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None
