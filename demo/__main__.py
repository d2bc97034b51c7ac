"""Run the demo: ``python -m demo``, and ``python -m demo --check`` to try it over HTTP."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.check import check
from demo.databases import address
from demo.servers import ServerError, running
from demo.settings import STORES, hosts
from servers.tls import make_certificate

__all__ = ["main"]

_PORT = 8001


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser("demo", description="One session in Flask, FastAPI and Django.")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="where sessions are stored (%(default)s)")
    parser.add_argument(
        "--url",
        default=os.environ.get("DEMO_URL"),
        help="the URL of a server for --store redis or postgres (by default the variable DEMO_URL, or a new server)",
    )
    parser.add_argument(
        "--port",
        type=int,
        help=f"the first of three ports ({_PORT}), or 0 for any free ports, which --check uses by default",
    )
    parser.add_argument("--https", action="store_true", help="put a proxy that terminates TLS in front of each server")
    parser.add_argument("--check", action="store_true", help="try everything over HTTP, report the results, and exit")
    options = parser.parse_args(arguments)
    port = options.port if options.port is not None else 0 if options.check else _PORT
    try:
        with TemporaryDirectory() as folder, address(options.store, options.url, folder) as table:
            certificate = make_certificate(Path(folder)) if options.https else None
            with running(hosts(options.store, folder, table), port=port, certificate=certificate) as servers:
                print(f"One session in three frameworks (--store {options.store}):")
                for framework, url in servers.urls.items():
                    print(f"  {framework:8} {url}/")
                if options.check:
                    return 0 if check(servers.urls, in_table=options.store != "cookie", certificate=certificate) else 1
                if certificate:
                    print("The certificate was made for this run, so browsers warn about it.")
                print("Open any of them. Ctrl-C ends the demo.", flush=True)
                servers.watch()
    except KeyboardInterrupt:
        # The usual end of the demo, but not of a check.
        return 1 if options.check else 0
    except ServerError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
