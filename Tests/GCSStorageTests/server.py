"""Google Cloud Storage's JSON API in memory, its preconditions as documented: emulators ignore most of them.

Usage: server.py PORT. Once a token was issued, a request needs one that is in force. PUT /_faults sets a list of
{"method", "match", "times", "kind", …}; each request takes the first that fits. PUT /_key sets the public key that a
service account's token requests have to be signed with, PUT /_expire ends all tokens, GET /_state tells what is there.
"""
import base64, datetime, json, re, socket, struct, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

lock = threading.RLock()
buckets, sessions, faults, counter, tokens, keys = {}, {}, [], [1_700_000_000_000_000], [], []
# A page may hold fewer than were asked for.
PAGE = 7


class Refused(Exception):
    def __init__(self, status, reason):
        self.status, self.reason = status, reason


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body of an answer leave together: apart, the second would wait for the other side's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def answer(self):
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if split.path in ("/_faults", "/_key", "/_expire", "/_state"):
            return self.control(split.path, body)
        fault = {"kind": "none"}
        with lock:
            for one in faults:
                if one["times"] and one.get("method", self.command) == self.command and one.get("match", "") in self.path:
                    one["times"] -= 1
                    fault = one
                    break
        if fault["kind"] == "status":
            text = {"error": {"message": "as told", "errors": [{"reason": fault.get("reason", "")}]}}
            return self.reply(fault["status"], text, list(fault.get("headers", {}).items()))
        if fault["kind"] == "reset":
            return self.reset()
        if fault["kind"] == "hang":
            return time.sleep(60)
        if fault["kind"] == "wrong":
            return self.reply(200, b"{]")
        if split.path == "/_token" or split.path.startswith("/computeMetadata"):
            return self.token(split.path, body)
        if fault["kind"] == "half" and body:
            # Keeps a part of what came, and breaks.
            with lock:
                sessions[query["upload_id"]]["bytes"] += body[: 256 << 10]
            return self.reply(503, {"error": {"message": "half"}})
        answer = self.wfile
        if fault["kind"] in ("lost", "overtaken", "page"):
            self.wfile = open("/dev/null", "wb")
        try:
            if tokens and self.headers.get("Authorization") not in [f"Bearer {t}" for t in tokens]:
                raise Refused(401, "authError")
            with lock:
                try:
                    status, value, headers = self.act(split.path, query, body, fault)
                finally:
                    if fault["kind"] == "overtaken":
                        self.overtake(split.path, query)
            if fault["kind"] == "truncate":
                self.send_response(status)
                for name, text in headers:
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(value)))
                self.end_headers()
                self.wfile.write(value[: fault["after"]])
                self.wfile.flush()
                time.sleep(0.2)
                return self.reset()
            self.reply(status, value, headers)
        except Refused as refused:
            self.reply(refused.status, {"error": {"code": refused.status, "message": refused.reason, "errors": [{"reason": refused.reason}]}})
        if fault["kind"] == "page":
            # What a proxy says.
            self.wfile = answer
            self.reply(200, b"<html><p>Sign in")
        if fault["kind"] in ("lost", "overtaken"):
            self.reset()

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = answer

    def control(self, path, body):
        if path == "/_faults":
            faults[:] = json.loads(body)
        if path == "/_key":
            keys[:] = [body]
        if path == "/_expire":
            tokens[:] = ["expired" for _ in tokens]
        state = {"sessions": len(sessions), "objects": sum(map(len, buckets.values())), "tokens": len(tokens)}
        self.reply(200, state)

    def is_signed(self, assertion):
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding
        text, _, signature = assertion.rpartition(".")
        head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in (*text.split("."), signature))
        key = serialization.load_pem_public_key(keys[0])
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(claims)
        return (json.loads(head)["alg"] == "RS256" and claims["iss"] == "name@project" and claims["scope"].endswith("devstorage.read_write")
            and claims["aud"] == f"http://{self.headers['Host']}/_token" and claims["iat"] <= time.time() < claims["exp"] <= claims["iat"] + 3600)

    def token(self, path, body):
        if path == "/_token":
            form = dict(parse_qsl(body.decode()))
            try:
                if form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer" or not self.is_signed(form["assertion"]):
                    return self.reply(400)
            except Exception:
                return self.reply(400)
        elif self.headers.get("Metadata-Flavor") != "Google":
            return self.reply(403)
        tokens.append(f"token-{len(tokens)}")
        self.reply(200, {"access_token": tokens[-1], "expires_in": 3600, "token_type": "Bearer"})

    def act(self, path, query, body, fault):
        if path == "/storage/v1/b":
            buckets.setdefault(json.loads(body)["name"], {})
            return 200, {}, []
        match = re.fullmatch(r"(/upload)?/storage/v1/b/([^/]+)/o(?:/([^/]+))?", path)
        bucket = buckets.get(unquote(match[2]))
        if bucket is None:
            raise Refused(404, "notFound")
        if match[1]:
            return self.upload(bucket, query, body)
        if match[3] is None:
            return self.list(bucket, query, fault)
        return self.object(bucket, unquote(match[3]), query, body, fault)

    def overtake(self, path, query):
        # Somebody else replaces what the request made.
        name = query.get("name") or unquote(path.rsplit("/", 1)[1])
        self.store(buckets["bucket"], name, {}, {}, b"theirs")

    def check(self, current, query):
        generation = int(current["generation"]) if current else 0
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != generation:
            raise Refused(412, "conditionNotMet")
        wanted = query.get("ifMetagenerationMatch")
        if wanted is not None and (current is None or wanted != current["metageneration"]):
            raise Refused(412, "conditionNotMet")

    def store(self, bucket, name, query, resource, media):
        current = bucket.get(name)
        self.check(current and current[0], query)
        counter[0] += 1
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        value = {"name": name, "generation": str(counter[0]), "metageneration": "1", "size": str(len(media)),
                 "updated": now, **{k: v for k, v in resource.items() if v not in ("", None)}}
        bucket[name] = (value, media)
        return 200, value, []

    def upload(self, bucket, query, body):
        if query["uploadType"] == "multipart":
            boundary = self.headers["Content-Type"].split("boundary=")[1].encode()
            parts = body.split(b"--" + boundary)
            resource = json.loads(parts[1].split(b"\r\n\r\n", 1)[1])
            media = parts[2].split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            return self.store(bucket, query["name"], query, resource, media)
        if "upload_id" not in query:
            current = bucket.get(query["name"])
            self.check(current and current[0], query)
            counter[0] += 1
            session = str(counter[0])
            sessions[session] = {"query": query, "resource": json.loads(body), "bytes": b""}
            where = f"http://{self.headers['Host']}{self.path}&upload_id={session}"
            return 200, b"", [("Location", where)]
        session = sessions.get(query["upload_id"])
        if session is None:
            raise Refused(404, "notFound")
        if self.command == "DELETE":
            del sessions[query["upload_id"]]
            return 499, b"", []
        span, total = self.headers["Content-Range"].removeprefix("bytes ").split("/")
        if span != "*":
            first, last = map(int, span.split("-"))
            if first > len(session["bytes"]) or last - first + 1 != len(body):
                raise Refused(400, "invalid")
            if total == "*" and len(body) % (256 << 10):
                raise Refused(400, "invalid")
            session["bytes"] = session["bytes"][:first] + body
        if total != "*" and len(session["bytes"]) == int(total):
            del sessions[query["upload_id"]]
            return self.store(bucket, query["name"], session["query"], session["resource"], session["bytes"])
        kept = len(session["bytes"])
        return 308, b"", [("Range", f"bytes=0-{kept - 1}")] if kept else []

    def object(self, bucket, name, query, body, fault):
        found = bucket.get(name)
        if found and "generation" in query and query["generation"] != found[0]["generation"]:
            found = None
        if self.command != "GET" or found:
            if not found:
                raise Refused(404, "notFound")
            self.check(found[0], query)
        if not found:
            raise Refused(404, "notFound")
        value, media = found
        if self.command == "DELETE":
            del bucket[name]
            return 204, b"", []
        if self.command == "PATCH":
            change = json.loads(body)
            metadata = {**value.get("metadata", {}), **change.pop("metadata", {})}
            value = {**value, **change, "metadata": {k: v for k, v in metadata.items() if v is not None},
                     "metageneration": str(int(value["metageneration"]) + 1)}
            bucket[name] = ({k: v for k, v in value.items() if v not in ("", None)}, media)
            return 200, bucket[name][0], []
        if query.get("alt") != "media":
            return 200, {**value, **fault.get("fields", {})}, []
        if fault["kind"] == "no-range":
            return 200, media, []
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = media[int(first) : int(last) + 1]
        return 206, part, [("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(media)}")]

    def list(self, bucket, query, fault):
        prefix, start = query.get("prefix", ""), query.get("startOffset", "").encode()
        token, limit, delimiter = query.get("pageToken", "").encode(), min(PAGE, int(query.get("maxResults", 1000))), query.get("delimiter")
        if delimiter and fault["kind"] == "first-character":
            delimiter = delimiter[0]
        items, prefixes, last = [], [], None
        for name in sorted(bucket, key=str.encode):
            if not name.startswith(prefix) or name.encode() < start:
                continue
            rest = name[len(prefix):]
            entry = prefix + rest[: rest.index(delimiter) + len(delimiter)] if delimiter and delimiter in rest else name
            if entry.encode() <= token or prefixes and prefixes[-1] == entry != name:
                continue
            if len(items) + len(prefixes) == limit:
                return 200, {"items": items, "prefixes": prefixes, "nextPageToken": last}, []
            last = entry
            (items.append(bucket[name][0]) if entry == name else prefixes.append(entry))
        return 200, {"items": items, "prefixes": prefixes}, []


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        pass


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
