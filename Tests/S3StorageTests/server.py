"""A small S3 that fails as it is told. Usage: server.py PORT

PUT /_faults sets a list of {"method", "match", "times", "kind", ...}; each request takes the first that fits.
PUT /_manner sets how the server differs:
"folders": it lists folder by folder, "copies": it ignores whom a copy replaces. PUT /_release lets those go on that
wait to be late. GET /_state tells what is there. Signatures are not checked, access keys are where a fault says so.
"""
import base64, datetime, hashlib, json, socket, struct, sys, threading, time
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

lock = threading.Lock()
released = threading.Event()
objects, uploads, faults, requests = {}, {}, [], []
clock = {"ahead": 0}
manner = {"is": ""}
keys = {"issued": 0}
written = {}


def now():
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=clock["ahead"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave together: apart, the second would wait for the other side's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return format_datetime(now(), usegmt=True)

    def handle_expect_100(self):
        self.send_response_only(100)
        self.end_headers()
        self.wfile.flush()
        return True

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, headers=()):
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        self.reply(status, body, headers)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def fault(self):
        with lock:
            for fault in faults:
                if fault["times"] and fault.get("method", self.command) == self.command and fault.get("match", "") in self.path:
                    fault["times"] -= 1
                    return fault
        return {"kind": "none"}

    def answer(self):
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        if self.path.startswith("/_"):
            return self.control(split.path, query)
        with lock:
            requests.append(f"{self.command} {self.path}")
        fault = self.fault()
        kind = fault["kind"]
        length = int(self.headers.get("Content-Length", 0))
        if kind == "reset-in-body":
            self.rfile.read(min(length, 1000))
            return self.reset()
        body = self.rfile.read(length)
        if len(body) < length:
            return self.reset()
        stamp = self.headers.get("x-amz-date")
        if clock["ahead"] and stamp:
            sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
            if abs((now() - sent).total_seconds()) > 900:
                return self.error(403, "RequestTimeTooSkewed")
        if kind == "status":
            return self.error(fault["status"], fault["code"], list(fault.get("headers", {}).items()))
        if kind == "error-in-success":
            return self.error(200, fault["code"])
        if kind == "reset":
            return self.reset()
        if kind == "hang":
            return time.sleep(60)
        if kind == "expired" and "Credential=key-1/" in self.headers.get("Authorization", ""):
            with lock:
                fault["times"] += 1
            return self.error(400, "ExpiredToken")
        if kind == "overtaken":
            # It happens, its answer is lost, and somebody else replaces what it made.
            self.wfile = open("/dev/null", "wb")
            self.act(split.path, query, body, {})
            if self.command != "DELETE":
                self.theirs(split.path)
            return self.reset()
        if kind == "lost":
            self.wfile = open("/dev/null", "wb")
            self.act(split.path, query, body, {})
            return self.reset()
        if kind == "late":
            released.wait(20)
        if kind == "page":
            # It happens, and a proxy answers for it.
            answer, self.wfile = self.wfile, open("/dev/null", "wb")
            if fault.get("happens", True):
                self.act(split.path, query, body, {})
            self.wfile = answer
            return self.reply(200, b"<html><p>Sign in" + b" " * fault.get("size", 0))
        self.act(split.path, query, body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def control(self, path, query):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/_faults":
            faults[:] = json.loads(body)
            return self.reply(200)
        if path == "/_release":
            released.set()
            return self.reply(200)
        if path == "/_clock":
            clock["ahead"] = int(query["ahead"])
            return self.reply(200)
        if path == "/_manner":
            manner["is"] = query["is"]
            return self.reply(200)
        if path == "/_state":
            state = {"objects": len(objects), "uploads": len(uploads), "requests": requests, "written": written}
            return self.reply(200, json.dumps(state).encode())
        self.credentials(path, query, body)

    def credentials(self, path, query, body):
        keys["issued"] += 1
        number = keys["issued"]
        ends = (now() + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"AccessKeyId": f"key-{number}", "SecretAccessKey": "s", "Token": "t", "Expiration": ends}
        if path == "/_container":
            return self.reply(200, json.dumps(document).encode())
        if path == "/_imds/latest/api/token":
            return self.reply(200 if self.command == "PUT" else 405, b"metadata-token")
        if self.headers.get("X-aws-ec2-metadata-token") == "metadata-token":
            if path.endswith("/security-credentials/"):
                return self.reply(200, b"role")
            return self.reply(200, json.dumps(document).encode())
        form = dict(parse_qsl(body.decode()))
        if path == "/_sts/" and form.get("WebIdentityToken") == "identity":
            return self.reply(200, f"""<R><AssumeRoleWithWebIdentityResult><Credentials>
                <AccessKeyId>key-{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
                <Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>""".encode())
        self.reply(403)

    def act(self, path, query, body, fault):
        parts = unquote(path).lstrip("/").split("/", 1)
        key = parts[1] if len(parts) > 1 else None
        with lock:
            current = objects.get(key)
        if key is None:
            return self.bucket(query, fault)
        if self.command == "POST" and "uploads" in query:
            with lock:
                number = str(len(requests))
                uploads[number] = (self.metadata(), {}, key, now())
            return self.reply(200, f"<R><UploadId>{number}</UploadId></R>".encode())
        if "uploadId" in query:
            return self.upload(key, query, body)
        if "x-amz-copy-source" in self.headers:
            return self.copy(path, key, fault)
        if self.command == "PUT":
            return self.put(key, body, self.metadata(), fault)
        if self.command == "DELETE":
            with lock:
                wanted = self.headers.get("If-Match")
                if wanted and (key not in objects or objects[key][1] != wanted):
                    return self.error(412, "PreconditionFailed")
                objects.pop(key, None)
            return self.reply(204)
        if current is None:
            return self.error(404, "NoSuchKey")
        self.read(current, fault)

    def theirs(self, path):
        with lock:
            objects[unquote(path).lstrip("/").split("/", 1)[1]] = (b"theirs", '"theirs"', [("x-amz-meta-nats-storage", "token=theirs")])

    def copy(self, path, key, fault):
        with lock:
            source = objects.get(unquote(self.headers["x-amz-copy-source"]).lstrip("/").split("/", 1)[1])
        if source is None:
            return self.error(404, "NoSuchKey")
        if self.headers.get("x-amz-copy-source-if-match", source[1]) != source[1]:
            return self.error(412, "PreconditionFailed")
        if fault.get("kind") == "raced":
            self.theirs(path)
        with lock:
            wanted = self.headers.get("If-Match")
            if wanted and manner["is"] != "copies" and (key not in objects or objects[key][1] != wanted):
                return self.error(412, "PreconditionFailed")
            objects[key] = (source[0], source[1], self.metadata())
        self.reply(200, f"<R><ETag>{source[1]}</ETag></R>".encode())

    def metadata(self):
        written.clear()
        written.update({name.lower(): value for name, value in self.headers.items()})
        return [(n, v) for n, v in self.headers.items() if n.lower().startswith("x-amz-meta-")]

    def put(self, key, body, metadata, fault):
        etag = '"' + hashlib.md5(body).hexdigest() + '"'
        with lock:
            current = objects.get(key)
            refused = self.headers.get("If-None-Match") == "*" and current
            wanted = self.headers.get("If-Match")
            if refused or wanted and (current is None or current[1] != wanted):
                return self.error(412, "PreconditionFailed")
            objects[key] = (body, etag, metadata)
        self.reply(200, b"", [] if fault.get("kind") == "no-etag" else [("ETag", etag)])

    def upload(self, key, query, body):
        with lock:
            upload = uploads.get(query["uploadId"])
            if self.command in ("POST", "DELETE"):
                uploads.pop(query["uploadId"], None)
        if upload is None:
            return self.error(404, "NoSuchUpload")
        if self.command == "DELETE":
            return self.reply(204)
        etag = '"' + hashlib.md5(body).hexdigest() + '"'
        if self.command == "PUT":
            upload[1][int(query["partNumber"])] = body
            return self.reply(200, b"", [("ETag", etag)])
        whole = b"".join(part for _, part in sorted(upload[1].items()))
        with lock:
            objects[key] = (whole, '"multi-1"', upload[0])
        self.reply(200, b"<R><ETag>&quot;multi-1&quot;</ETag></R>")

    def read(self, current, fault):
        body, etag, metadata = current
        wanted = self.headers.get("If-Match")
        if wanted and wanted != etag:
            return self.error(412, "PreconditionFailed")
        if fault.get("kind") == "wrong-etag":
            etag = '"another"'
        headers = [("ETag", etag), ("Last-Modified", self.date_time_string())] + metadata
        status, whole = 200, len(body)
        if range_ := self.headers.get("Range"):
            first, last = range_.removeprefix("bytes=").split("-")
            first, last = int(first), min(int(last or whole), whole - 1)
            status, body = 206, body[first : last + 1]
            headers.append(("Content-Range", f"bytes {first}-{last}/{whole}"))
        if fault.get("kind") == "no-length":
            return self.sizeless(headers)
        headers.append(("Content-Length", str(len(body))))
        if fault.get("kind") == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault.get("kind") in ("truncate", "stall"):
            self.reply(status, body[: fault["after"]], headers)
            self.wfile.flush()
            time.sleep(0.2 if fault["kind"] == "truncate" else 60)
            return self.reset()
        self.reply(status, body, headers)

    def sizeless(self, headers):
        self.send_response(200)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def bucket(self, query, fault):
        if "uploads" in query:
            with lock:
                found = "".join(f"<Upload><Key>{upload[2]}</Key><UploadId>{number}</UploadId><Initiated>{upload[3]:%Y-%m-%dT%H:%M:%SZ}</Initiated></Upload>"
                                for number, upload in uploads.items() if upload[2].startswith(query["prefix"]))
            return self.reply(200, f"<R>{found}<IsTruncated>false</IsTruncated></R>".encode())
        by_folders = manner["is"] == "folders"
        rank = (lambda name: name.split("/")) if by_folders else (lambda name: name)
        token, after, limit = query.get("continuation-token"), query.get("start-after", ""), int(query.get("max-keys", 1000))
        with lock:
            names = sorted((key for key in objects if key.startswith(query.get("prefix", ""))), key=rank)
        names = [name for name in names if rank(name) > rank(token or after)]
        if by_folders and after and not token:
            names = [name for name in names if not name.startswith(after + "/")]
        kind = fault.get("kind")
        if kind in ("no-token", "same-token"):
            more = "<IsTruncated>true</IsTruncated>" + "<NextContinuationToken>x</NextContinuationToken>" * (kind == "same-token")
        elif len(names) > limit:
            names = names[:limit]
            more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{names[-1]}</NextContinuationToken>"
        else:
            more = "<IsTruncated>false</IsTruncated>"
        prefixes = "".join(f"<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>" for prefix in fault.get("prefixes", []))
        contents = "".join(f"<Contents><Key>{name}</Key><Size>0</Size></Contents>" for name in names)
        if prefixes:
            contents = ""
        self.reply(200, f"<ListBucketResult>{more}{contents}{prefixes}</ListBucketResult>".encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
