"""A proxy that terminates TLS, and passes the original scheme and client on in headers."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SECONDS = 120
_SECONDS_BETWEEN_LOOKS = 0.05

# Headers that must not be believed if a visitor sends them.
_TOLD = ("x-forwarded-proto", "x-forwarded-for", "x-forwarded-host")


@contextmanager
def tls_proxy(port: int, certificate: Path, *, front: int = 0) -> Iterator[int]:
    """
    Serve over HTTPS what the server on *port* serves over HTTP, and return the proxy's port.

    Args:
        front: The proxy's port; 0 takes a free one.
    """

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two writes. Otherwise the second would wait 40 ms for an acknowledgement of the first.
        disable_nagle_algorithm = True

        def handle(self) -> None:
            # A visitor may disconnect at any time, as a browser does that distrusts the certificate.
            with suppress(OSError):
                super().handle()

        def hand_on(self) -> None:
            told = dict.fromkeys(_TOLD)
            told |= {"x-forwarded-proto": "https", "x-forwarded-for": self.client_address[0]}
            told["x-forwarded-host"] = self.headers["Host"]
            connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in (*self.headers.items(), *told.items()):
                if name.lower() not in told or value is told.get(name):
                    connection.putheader(name, str(value))
            connection.endheaders(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            with connection.getresponse() as response:
                body = response.read()
                self.send_response_only(response.status, response.reason)
                for name, value in response.getheaders():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            connection.close()

        do_GET = do_POST = hand_on  # noqa: N815  # the name that the library requires

        def log_message(self, *args: Any) -> None: ...

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", front), Proxy) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _SECONDS_BETWEEN_LOOKS})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
