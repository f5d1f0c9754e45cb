"""A hub on loopback that speaks as much of the Hugging Face hub's protocol as a bundle needs.

Repositories have commits; large files go by the LFS protocol and small ones within the commit. It refuses writers
without the token, readers of private repositories without it, and headers of README.md that are no YAML.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_the_tests"
LARGE = (".safetensors", ".parquet")


@dataclass
class Repository:
    """The files of every commit of the one branch, in order."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], message: str) -> str:
        sha = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits.append((sha, files))
        self.messages.append(message)
        return sha

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)


class Hub(ThreadingHTTPServer):
    """`repositories` by their names, what was uploaded as large files, and the requests in their order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer_reader(with_body=True)

    def do_HEAD(self) -> None:
        self._answer_reader(with_body=False)

    def do_POST(self) -> None:
        path, body = self._request(), self._body()
        if path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "Invalid credentials"}, 401, {"X-Error-Message": "Invalid credentials"})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            files = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
                for file in json.loads(body)["files"]
            ]
            self._json({"files": [{**file, "shouldIgnore": False} for file in files]})
        elif re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            objects = [
                {**asked, "actions": {"upload": {"href": f"{self.server.address}/upload/{asked['oid']}"}}}
                for asked in json.loads(body)["objects"]
            ]
            self._json({"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._json({"error": f"no such call: {path}"}, 404)

    def do_PUT(self) -> None:
        path, body = self._request(), self._body()
        digest = hashlib.sha256(body).hexdigest()
        assert path == f"/upload/{digest}"
        self.server.large[digest] = body
        self._json({})

    def _request(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        return path

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, body: bytes, status: int, headers: dict[str, str], with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(body)

    def _validate(self, text: str) -> None:
        header = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
        try:
            content = yaml.safe_load(header[1]) if header else None
        except yaml.YAMLError as error:
            self._json({"errors": [{"message": str(error)}]}, 400)
            return
        if isinstance(content, dict):
            self._json({"warnings": [], "errors": []})
        else:
            self._json({"errors": [{"message": "no metadata"}]}, 400)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.server.address}/{name}"
        if name in self.server.repositories:
            self._json({"error": "You already created this model repo", "url": url}, 409)
            return
        is_private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repository = self.server.repositories[name] = Repository(is_private)
        repository.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
        self._json({"url": url})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repository = self.server.repositories[name]
        files = dict(repository.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        sha = repository.commit(files, lines[0]["value"]["summary"])
        self._json({"commitUrl": f"{self.server.address}/{name}/commit/{sha}", "commitOid": sha})

    def _answer_reader(self, with_body: bool) -> None:
        path = self._request()
        match = re.fullmatch(
            r"/api/models/(?P<name>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<at>[^/]+))?"
            r"|/(?P<of>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)",
            path,
        )
        name = match and (match["name"] or match["of"])
        repository = self.server.repositories.get(name or "")
        is_allowed = repository and (not repository.private or self.headers.get("Authorization") == f"Bearer {TOKEN}")
        if match is None or repository is None or not is_allowed:
            self._json({"error": "Repository not found"}, 401, {"X-Error-Code": "RepoNotFound"})
            return
        commit = repository.at(match["at"] or match["revision"] or "main")
        if commit is None:
            self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return
        sha, files = commit
        if match["file"] is None and match["what"] == "tree":
            self._json([self._entry(file, content) for file, content in files.items()])
        elif match["file"] is None:
            self._json({"id": name, "sha": sha, "private": repository.private, "siblings": []})
        elif match["file"] in files:
            content = files[match["file"]]
            headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._send(content, 200, headers, with_body)
        else:
            self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})

    @staticmethod
    def _entry(path: str, content: bytes) -> dict[str, Any]:
        entry = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        if not path.endswith(LARGE):
            return entry
        oid = hashlib.sha256(content).hexdigest()
        return {**entry, "lfs": {"oid": oid, "size": len(content), "pointerSize": 134}}


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty hub for the length of the block."""
    with Hub() as hub:
        thread = Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
