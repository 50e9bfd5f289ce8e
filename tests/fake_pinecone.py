"""The part of Pinecone's HTTP API that `PineconeIndex` speaks, control plane and data plane."""

from __future__ import annotations

from typing import Any

from fake_http import Refusal, nearest

Vectors = dict[str, dict[str, Any]]


class FakePinecone:
    """One index in memory, consistent at once.

    Args:
        dimension: Of the index, which somebody has made for cosine.
        key: The API key that every request must have.
    """

    def __init__(self, dimension: int, key: str = "secret") -> None:
        self.dimension = dimension
        self.metric = "cosine"
        self.key = key
        self.host = ""
        self.namespaces: dict[str, Vectors] = {}

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], key: str | None, body: Any
    ) -> Any:
        if key != self.key:
            raise Refusal(401, "Invalid API Key")
        match method, path:
            case "GET", "/indexes/made":
                return self._index()
            case "GET", _ if path.startswith("/indexes/"):
                raise Refusal(404, "Resource not found")
            case "POST", "/describe_index_stats":
                return self._stats()
            case "POST", "/vectors/upsert":
                return self._upsert(body)
            case "GET", "/vectors/fetch":
                vectors = self.namespaces.get(query["namespace"][0], {})
                return {"vectors": {i: vectors[i] for i in query["ids"] if i in vectors}}
            case "POST", "/vectors/fetch_by_metadata":
                return self._page(body)
            case "POST", "/query":
                return self._query(body)
            case "POST", "/vectors/delete":
                return self._delete(body)
        raise Refusal(404, f"no such call: {method} {path}")

    def _index(self) -> Any:
        field = {"type": "dense_vector", "dimension": self.dimension, "metric": self.metric}
        return {
            "name": "made",
            "host": self.host,
            "status": {"ready": True, "state": "Ready"},
            "schema": {"fields": {"_values": field}},
            "deployment": {
                "deployment_type": "managed",
                "cloud": "aws",
                "region": "r",
                "environment": "e",
            },
            "deletion_protection": "disabled",
        }

    def _stats(self) -> Any:
        counts = {name: {"vectorCount": len(kept)} for name, kept in self.namespaces.items()}
        total = sum(map(len, self.namespaces.values()))
        return {
            "namespaces": counts,
            "dimension": self.dimension,
            "metric": self.metric,
            "totalVectorCount": total,
        }

    def _upsert(self, body: Any) -> Any:
        for vector in body["vectors"]:
            if len(vector["values"]) != self.dimension:
                raise Refusal(400, "Vector dimension does not match the dimension of the index")
            if not any(vector["values"]):
                raise Refusal(400, "Dense vectors must contain at least one non-zero value")
        kept = self.namespaces.setdefault(body["namespace"], {})
        kept.update({vector["id"]: vector for vector in body["vectors"]})
        return {"upsertedCount": len(body["vectors"])}

    def _matching(self, body: Any) -> Vectors:
        wanted = {name: rule["$eq"] for name, rule in (body.get("filter") or {}).items()}
        kept = self.namespaces.get(body["namespace"], {})
        return {i: v for i, v in kept.items() if wanted.items() <= v["metadata"].items()}

    def _page(self, body: Any) -> Any:
        vectors = sorted(self._matching(body).items())
        start = int(body.get("paginationToken") or 0)
        end = start + body["limit"]
        more = {"pagination": {"next": str(end)}} if end < len(vectors) else {}
        return {"vectors": dict(vectors[start:end]), "namespace": body["namespace"], **more}

    def _query(self, body: Any) -> Any:
        kept = self._matching(body)
        found = nearest({i: v["values"] for i, v in kept.items()}, body["vector"], body["topK"])
        return {
            "matches": [
                {"id": i, "score": score, "metadata": kept[i]["metadata"]} for i, score in found
            ],
            "namespace": body["namespace"],
        }

    def _delete(self, body: Any) -> Any:
        if body["namespace"] not in self.namespaces:
            raise Refusal(404, "Namespace not found")
        if body.get("deleteAll"):
            del self.namespaces[body["namespace"]]
        for gone in body.get("ids", ()):
            self.namespaces[body["namespace"]].pop(gone, None)
        return {}
