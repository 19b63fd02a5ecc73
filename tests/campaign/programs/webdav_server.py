"""A WebDAV server of a directory, on loopback: prints its port, and ends with its standard input."""

import sys
import threading

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

app = WsgiDAVApp({"provider_mapping": {"/": sys.argv[1]}, "simple_dc": {"user_mapping": {"*": True}}, "verbose": 0, "logging": {"enable": False}})
server = wsgi.Server(("127.0.0.1", 0), app, numthreads=4)
server.prepare()
threading.Thread(target=server.serve, daemon=True).start()
print(server.bind_addr[1], flush=True)
sys.stdin.read()
server.stop()
