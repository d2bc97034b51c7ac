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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser("demo", description="One session in Flask, FastAPI and Django.")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="where sessions are kept (%(default)s)")
    parser.add_argument(
        "--url",
        default=os.environ.get("DEMO_URL"),
        help="where a server for --store redis or postgres runs; without it, or the variable DEMO_URL, one is started",
    )
    parser.add_argument("--port", type=int, default=0, help="the first of three ports (any that are free)")
    parser.add_argument("--https", action="store_true", help="put a proxy that ends TLS before each of the servers")
    parser.add_argument("--check", action="store_true", help="try everything over HTTP, say what was seen, and exit")
    options = parser.parse_args(arguments)
    try:
        with TemporaryDirectory() as folder, address(options.store, options.url, folder) as table:
            certificate = make_certificate(Path(folder)) if options.https else None
            with running(hosts(options.store, folder, table), port=options.port, certificate=certificate) as servers:
                print(f"One session in three frameworks, kept by --store {options.store}:")
                for framework, url in servers.urls.items():
                    print(f"  {framework:8} {url}/")
                if options.check:
                    return 0 if check(servers.urls, in_table=options.store != "cookie", certificate=certificate) else 1
                if certificate:
                    print("The certificate is made for this run, and a browser will ask whether to go on.")
                print("Open any of them. Ctrl-C ends all.", flush=True)
                servers.watch()
    except KeyboardInterrupt:
        # The usual end of the demo, but not of a check.
        return 1 if options.check else 0
    except ServerError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
