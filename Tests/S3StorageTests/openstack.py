"""OpenStack Swift behind its S3 gateway, whole in one process. Usage: openstack.py PORT FOLDER ACCESS_KEY SECRET_KEY

The access key is an account and a user, divided by a colon.
"""
import os, sys
from array import array

import eventlet, eventlet.patcher

eventlet.patcher.monkey_patch()
import eventlet.wsgi
from swift.common import constraints, storage_policy, utils
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingData
from swift.common.wsgi import loadapp

port, folder, access_key, secret_key = int(sys.argv[1]), sys.argv[2], *sys.argv[3:]
account, user = access_key.split(":")
devices = os.path.join(folder, "devices")

SETTINGS = """
[swift-hash]
swift_hash_path_suffix = tests
"""

BACKEND = """
[DEFAULT]
swift_dir = {folder}
devices = {devices}
mount_check = false
disable_fallocate = true

[app:main]
use = egg:swift#{name}
"""

PROXY = """
[DEFAULT]
swift_dir = {folder}

[pipeline:main]
pipeline = catch_errors s3api tempauth bulk copy slo versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:s3api]
use = egg:swift#s3api
location = us-east-1
dns_compliant_bucket_names = false

[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret_key} .admin

[filter:bulk]
use = egg:swift#bulk

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true

[filter:symlink]
use = egg:swift#symlink
"""


def write(name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text.format(**globals(), name=name.partition(".")[0]))
    return path


def serve(name, text, socket):
    app = loadapp(write(f"{name}.conf", text), global_conf={"log_name": name})
    # The gateway's clients expect names of headers as S3 spells them.
    options = {"protocol": SwiftHttpProtocol, "capitalize_response_headers": False}
    return eventlet.spawn(eventlet.wsgi.server, socket, app, utils.logs.NullLogger(), **options)


def listen(port):
    return eventlet.listen(("127.0.0.1", port), backlog=512)


def ring(kind, port):
    """All of it on one device, once."""
    device = {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "ip": "127.0.0.1", "port": port, "device": "disk"}
    device |= {"replication_ip": "127.0.0.1", "replication_port": port, "meta": ""}
    # The partition is the upper four bits of the name's hash.
    RingData([array("H", [0] * 16)], [device], 28).save(os.path.join(folder, f"{kind}.ring.gz"))


os.makedirs(os.path.join(devices, "disk"))
write("swift.conf", SETTINGS)
utils.set_swift_dir(folder)
utils.validate_configuration()
constraints.reload_constraints()
storage_policy.reload_storage_policies()
for kind in ["account", "container", "object"]:
    socket = listen(0)
    ring(kind, socket.getsockname()[1])
    serve(kind, BACKEND, socket)
serve("proxy", PROXY, listen(port)).wait()
