"""The part of Qdrant's HTTP API that `QdrantIndex` speaks (api.qdrant.tech, version 1.16)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fake_http import Refusal, nearest


@dataclass
class Collection:
    config: dict[str, Any]
    indexed: set[str] = field(default_factory=set)
    points: dict[str, dict[str, Any]] = field(default_factory=dict)


class FakeQdrant:
    """Collections in memory; refuses a filter on a field that is not indexed, as strict mode does.

    Args:
        key: The API key that every request must have.
    """

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.collections: dict[str, Collection] = {}

    def answer(self, method: str, path: str, query: Any, key: str | None, body: Any) -> Any:
        if key != self.key:
            raise Refusal(401, "Must provide an API key or an Authorization bearer token")
        _, root, name, *rest = path.split("/")
        assert root == "collections"
        step = (method, "/".join(rest))
        if step == ("GET", "exists"):
            return self._ok({"exists": name in self.collections})
        if step == ("PUT", ""):
            if name in self.collections:
                raise Refusal(409, f"Collection `{name}` already exists!")
            self.collections[name] = Collection(body)
            return self._ok(True)
        if name not in self.collections:
            raise Refusal(404, f"Collection `{name}` doesn't exist!")
        if step == ("DELETE", ""):
            del self.collections[name]
            return self._ok(True)
        return self._ok(self._on(self.collections[name], step, body))

    def _ok(self, result: Any) -> Any:
        return {"result": result, "status": "ok", "time": 0.0}

    def _on(self, collection: Collection, step: tuple[str, str], body: Any) -> Any:
        match step:
            case ("GET", ""):
                return self._info(collection)
            case ("PUT", "index"):
                collection.indexed.add(body["field_name"])
            case ("PUT", "points"):
                self._upsert(collection, body["points"])
            case ("POST", "points/query"):
                return self._query(collection, body)
            case ("POST", "points/scroll"):
                return self._scroll(collection, body)
            case ("POST", "points"):
                return [collection.points[i] for i in body["ids"] if i in collection.points]
            case ("POST", "points/delete"):
                gone = body.get("points", list(collection.points))
                collection.points = {i: p for i, p in collection.points.items() if i not in gone}
            case ("POST", "points/count"):
                return {"count": len(self._matching(collection, body))}
            case _:
                raise Refusal(404, f"no such call: {step}")
        return {"operation_id": 1, "status": "completed"}

    def _info(self, collection: Collection) -> Any:
        config = collection.config
        optimizer = {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        }
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {"vectors": config["vectors"]},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": optimizer,
                "metadata": config.get("metadata"),
            },
        }

    def _upsert(self, collection: Collection, points: list[dict[str, Any]]) -> None:
        size = collection.config["vectors"]["size"]
        for point in points:
            if len(point["vector"]) != size:
                raise Refusal(400, f"Vector dimension error: expected dim: {size}")
            collection.points[point["id"]] = point

    def _matching(self, collection: Collection, body: Any) -> dict[str, dict[str, Any]]:
        wanted = {}
        for condition in (body.get("filter") or {}).get("must", []):
            if condition["key"] not in collection.indexed:
                raise Refusal(400, f'Index required but not found for "{condition["key"]}"')
            wanted[condition["key"]] = condition["match"]["value"]
        return {
            i: point
            for i, point in collection.points.items()
            if wanted.items() <= point["payload"].items()
        }

    def _query(self, collection: Collection, body: Any) -> Any:
        points = self._matching(collection, body)
        vectors = {i: point["vector"] for i, point in points.items()}
        return {
            "points": [
                {"id": i, "version": 0, "score": score, "payload": points[i]["payload"]}
                for i, score in nearest(vectors, body["query"]["nearest"], body["limit"])
            ]
        }

    def _scroll(self, collection: Collection, body: Any) -> Any:
        points = [p for _, p in sorted(self._matching(collection, body).items())]
        points = [p for p in points if p["id"] >= (body.get("offset") or "")]
        following = points[body["limit"] :]
        place = following[0]["id"] if following else None
        return {"points": points[: body["limit"]], "next_page_offset": place}
